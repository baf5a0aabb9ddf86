"""Renders every template with a site, so that a fault shows before a night of work does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hpckit.engines.registry import ENGINES
from hpckit.launch.plan import Request, make_plan
from hpckit.launch.render import render
from hpckit.model.bag import Bag
from hpckit.model.site import Site
from hpckit.model.task import Backend, Shape


@dataclass(frozen=True)
class Rendered:
    """One script, as a small bag would get it on one engine and shape."""

    name: str  # ENGINE-SHAPE/ROLE.sh
    text: str


def check_site(site: Site, *, python: str, root: str) -> list[Rendered]:
    """Return every script that this site can get, for a bag of ten tasks.

    What the site demands of the user (an account, say) is filled with the word itself in
    capitals. Nothing is created.

    Args:
        site: the site.
        python: interpreter for the nodes unless the site names another.
        root: absolute directory that stands for where the user is.

    Raises:
        InputError: no plan can be made for it, and why.
    """
    bag = Bag.model_validate(
        {
            "name": "check",
            "task": {"command": ["true", "{number}"]},
            "each": {"number": {"range": "0-9"}},
            "directory": root,
            "submitted_from": root,
        }
    )
    # A constraint has no flag: what the user would give with --sbatch stands in the site here.
    constraint = site.constraint or ("CONSTRAINT" if "constraint" in site.require else "")
    site = site.model_copy(update={"constraint": constraint})
    queue = next(iter(site.partitions), "PARTITION") if "partition" in site.require else ""
    found = []
    for backend, shape in _combinations():
        request = Request(
            tasks=10,
            now=0.0,
            python=python,
            cwd=root,
            environ=_AnyVariable(),
            slurm_bin=f"{root}/bin",
            backend=backend,
            shape=shape,
            account="ACCOUNT" if "account" in site.require else "",
            qos="QOS" if "qos" in site.require else "",
            partition=site.default_partition or queue,
            name="check",
        )
        for script in render(make_plan(bag, site, request)):
            found.append(Rendered(f"{backend}-{shape}/{script.name}", script.text))
    return found


def _combinations() -> Iterator[tuple[Backend, Shape]]:
    for backend, facts in ENGINES.items():
        if facts.joins:
            yield backend, "array"
        yield backend, "allocation"


class _AnyVariable(dict[str, str]):
    """An environment in which every variable is set, since the check may run elsewhere."""

    def get(self, key: str, default: object = None) -> str:
        return "" if key == "HPCKIT_RUNS" else f"/{key}"

    def __getitem__(self, key: str) -> str:
        return self.get(key)
