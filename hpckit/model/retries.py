"""The retries of failed tasks: how often each kind of failure is tried again, and with what.

Pure, standard library only. The bag's ``[retries]`` is read in `hpckit.model.bag`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Final

from hpckit.model.failure_kind import FailureKind, meaning

_MAX_DOUBLINGS: Final = 40  # of a task's memory by its retries: more than any node has


@dataclass(frozen=True, kw_only=True)
class Retries:
    """The number of retries of a task, by kind of failure; `lost` is not limited here."""

    error: int = 0
    signal: int = 0
    timeout: int = 0
    memory: int = 0
    memory_grow: float = 1.0  # each memory retry asks for this many times more
    missing_output: int = 0
    poison_after: int = 3  # workers that one task may take down with it

    def limit(self, kind: str) -> int:
        """Return how often a failure of this kind is tried again."""
        key = meaning(FailureKind(kind)).retry_key
        found: int = getattr(self, key) if key else 0
        return found

    def is_used_up(self, kind: str, failures: Mapping[str, int] | None) -> bool:
        """Return True if a task that fails in this way has no retry left.

        Args:
            kind: how it fails now.
            failures: how often it failed before, by kind.
        """
        return (failures or {}).get(kind, 0) >= self.limit(kind)

    def memory_mib(self, declared_mib: int, failures: Mapping[str, int] | None, most: int) -> int:
        """Return the memory of the next attempt, 0 if that is what the bag declares.

        Args:
            declared_mib: what the bag declares; 0: nothing.
            failures: how often the task failed before, by kind.
            most: the memory of a worker, which no attempt gets more than.
        """
        times = (failures or {}).get(FailureKind.MEMORY, 0)
        if not times or not declared_mib:
            return 0
        return min(self.grown_mib(declared_mib, times), max(declared_mib, most))

    def grown_mib(self, memory_mib: int, times: int) -> int:
        """Return what a task of `memory_mib` is given when it has run out of memory so often."""
        if times * log2(self.memory_grow) > _MAX_DOUBLINGS:  # too large for a float, perhaps
            return memory_mib << _MAX_DOUBLINGS
        return ceil(memory_mib * self.memory_grow**times)
