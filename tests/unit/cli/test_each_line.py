"""`--each-line FILE|-` reads lines just as `{ lines = FILE }` of a bag does."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from hpckit import api
from hpckit.api import plan_run
from hpckit.model.bag import Bag, load_bag
from hpckit.model.expand import expand
from tests.unit.cli.conftest import Prompt

TEXT = "\ufeffa b\r\n\n \nform\ffeed\nnext\x85line\nu\u2028v\r\nlast".encode()
LINES = ["a b", " ", "form\ffeed", "next\x85line", "u\u2028v", "last"]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Bag]:
    """The bags that are planned."""
    bags: list[Bag] = []
    monkeypatch.setattr(api, "plan_run", lambda b, *a: (bags.append(b), plan_run(b, *a))[1])
    return bags


def typed(prompt: Prompt, source: str) -> tuple[int, str]:
    said = prompt(
        "submit", "--dry-run", "--site", "local", "--each-line", source, "--", "echo", "{line}"
    )
    return said.code, said.err


def words(bag: Bag) -> list[str]:
    return [task.argv[1] for task in expand(bag)]


@pytest.mark.parametrize("source", ["file", "-"])
def test_a_line_is_what_ends_in_a_line_feed(
    prompt: Prompt, home: Path, seen: list[Bag], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (home / "work" / "file").write_bytes(TEXT)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT)))
    assert typed(prompt, source)[0] == 0
    assert words(seen[0]) == LINES
    bag = home / "work" / "bag.toml"
    bag.write_text('[task]\ncommand = ["echo", "{line}"]\n[each]\nline = { lines = "file" }\n')
    assert words(load_bag(bag)) == LINES


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a\nb\0c\n", ":2: holds a zero byte, so it is no text file"),
        (b"a\ncaf\xe9\n", r":2: b'caf\xe9' is not UTF-8"),
        (b"\n\r\n", " holds no lines, so no tasks"),
    ],
)
@pytest.mark.parametrize("source", ["file", "-"])
def test_what_is_no_list_of_lines_is_told_with_its_place(
    prompt: Prompt,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    text: bytes,
    told: str,
) -> None:
    (home / "work" / "file").write_bytes(text)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    code, err = typed(prompt, source)
    assert code == 2
    assert f"hpckit: {'stdin' if source == '-' else source}{told}" in err
