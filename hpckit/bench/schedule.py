"""The order of the runs: interleaved, so that a busy moment disturbs all cases alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def interleaved(cases: Sequence[T], repeats: int, seed: int) -> Iterator[tuple[int, T]]:
    """Yield repeat and case: every case once, then again; each time another begins."""
    for repeat in range(repeats):
        first = (seed + repeat) % len(cases)
        for case in [*cases[first:], *cases[:first]]:
            yield repeat, case
