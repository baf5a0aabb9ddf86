"""The documentation names every option, and its examples load."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from hpckit.model.bag import Bag
from hpckit.model.site import Partition, Site
from hpckit.model.toml_file import parse_document
from hpckit.model.validate import validated

DOCS = Path(__file__).resolve().parents[3] / "docs"


def options(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield the dotted keys that a file may have, including those inside tables."""
    for name, field in model.model_fields.items():
        if not field.description:
            continue
        inner = field.annotation
        key = f"{above}{field.alias or name}"
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from options(inner, f"{key}.")
        else:
            yield key


def documented(page: str) -> set[str]:
    text = (DOCS / page).read_text()
    first_cells = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    return {key for cell in first_cells for key in re.findall(r"`([a-z_.]+)`", cell)}


def test_every_option_of_a_bag_is_in_the_table() -> None:
    assert set(options(Bag)) - documented("reference/bags.md") == set()


def test_every_option_of_a_site_is_in_the_tables() -> None:
    known = {*options(Site), *options(Partition)} - {"name", "partitions"}
    assert known - documented("reference/sites.md") == set()
    assert typing.get_args(Site.model_fields["partitions"].annotation)[1] is Partition


@pytest.mark.parametrize(
    ("page", "model"), [("reference/bags.md", Bag), ("reference/sites.md", Site)]
)
def test_the_examples_are_valid(page: str, model: type[BaseModel]) -> None:
    examples = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert examples
    for text in examples:
        document = parse_document(text, page)
        document.data.setdefault("name", "example")
        assert validated(model, document)
        assert tomllib.loads(text)
