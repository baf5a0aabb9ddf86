"""The retries of failed tasks: their number for each kind of failure, and their memory.

Standard library only. `hpckit.model.bag` reads the bag's ``[retries]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Final

from hpckit.model.failure_kind import FailureKind, meaning

_MAX_DOUBLINGS: Final = 40  # of a task's memory: already more than any node has


@dataclass(frozen=True, kw_only=True)
class Retries:
    """The number of retries of a task for each kind of failure; `lost` has no limit here."""

    error: int = 0
    signal: int = 0
    timeout: int = 0
    memory: int = 0
    memory_grow: float = 1.0  # each memory retry asks for this many times more
    missing_output: int = 0
    poison_after: int = 3  # number of workers that may die while they run one task

    def limit(self, kind: str) -> int:
        """Return how often a failure of this kind is tried again."""
        key = meaning(FailureKind(kind)).retry_key
        found: int = getattr(self, key) if key else 0
        return found

    def is_used_up(self, kind: str, failures: Mapping[str, int] | None) -> bool:
        """Return True if a task that fails in this way has no retry left.

        Args:
            kind: the kind of this failure.
            failures: the number of earlier failures, by kind.
        """
        return (failures or {}).get(kind, 0) >= self.limit(kind)

    def memory_mib(self, declared_mib: int, failures: Mapping[str, int] | None, most: int) -> int:
        """Return the memory of the next attempt; 0 if it is the memory that the bag declares.

        Args:
            declared_mib: the memory that the bag declares; 0: none.
            failures: the number of earlier failures, by kind.
            most: the memory of a worker, the most that an attempt can get.
        """
        times = (failures or {}).get(FailureKind.MEMORY, 0)
        if not times or not declared_mib:
            return 0
        return min(self.grown_mib(declared_mib, times), max(declared_mib, most))

    def grown_mib(self, memory_mib: int, times: int) -> int:
        """Return the memory of a task that has run out of memory `times` times."""
        if times * log2(self.memory_grow) > _MAX_DOUBLINGS:  # too large for a float, perhaps
            return memory_mib << _MAX_DOUBLINGS
        return ceil(memory_mib * self.memory_grow**times)
