"""The definition of a case, and the registry of all of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conformance.inventory import check_topics

if TYPE_CHECKING:
    from tests.conformance.driver import Slurm

Body = Callable[["Slurm"], None]


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        group: its module's name, with dashes: ``sbatch-options``.
        name: the function's name, which reads as a sentence.
        topics: what it proves, as `inventory` names it: ``sbatch --array``, ``env SLURM_JOB_ID``.
        alone: it needs a cluster on which nothing else runs.
        breaks: it kills nodes or daemons; such cases run last.
        since: the Slurm version from which on it holds, such as ``24.11``; "" for 22.05.
    """

    group: str
    name: str
    topics: tuple[str, ...]
    body: Body
    alone: bool = False
    breaks: bool = False
    since: str = ""

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    @property
    def key(self) -> str:
        return f"{self.group}/{self.name}"


_CASES: dict[str, Case] = {}


def case(
    *topics: str, alone: bool = False, breaks: bool = False, since: str = ""
) -> Callable[[Body], Body]:
    """Register the decorated function as a case that proves `topics`."""

    def register(body: Body) -> Body:
        group = body.__module__.rpartition(".")[2].replace("_", "-")
        made = Case(group, body.__name__, topics, body, alone or breaks, breaks, since)
        if made.key in _CASES:
            raise ValueError(f"two cases are called {made.key}")
        check_topics(made.key, topics)
        _CASES[made.key] = made
        return body

    return register


def all_cases() -> list[Case]:
    """Return every case, ordered by group and by position in its module."""
    package = importlib.import_module("tests.conformance.cases")
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"tests.conformance.cases.{module}")
    return sorted(_CASES.values(), key=lambda c: c.group)


def find_cases(words: list[str]) -> list[Case]:
    """Return the cases whose key contains any of the words; all cases without words."""
    return [c for c in all_cases() if not words or any(w in c.key for w in words)]
