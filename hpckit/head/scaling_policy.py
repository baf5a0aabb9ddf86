"""Decide how many workers a run wants, and which to start or stop. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: A worker is worth starting for this much work: it takes some seconds to join.
WORTH_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Between how many workers a run may have."""

    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class WorkerCounts:
    """The workers that there are.

    Attributes:
        here: workers that have joined and are not leaving.
        coming: worker jobs that wait, start or are requeued.
    """

    here: int
    coming: int


@dataclass(frozen=True, kw_only=True)
class WorkLeft:
    """The tasks that are not done: how many, how many a worker runs at once, and how long one takes
    (None before anything was measured)."""

    tasks: int
    slots: int
    mean_s: float | None


def workers_wanted(work: WorkLeft, bounds: Bounds) -> int:
    """Return how many workers the work that is left is worth; none for none."""
    if work.tasks <= 0:
        return 0
    wanted = math.ceil(work.tasks / max(work.slots, 1))
    if work.mean_s is not None:
        worth = work.tasks * work.mean_s / max(work.slots, 1) / WORTH_S
        wanted = min(wanted, math.ceil(worth))
    return max(bounds.least, min(wanted, bounds.most))


def to_start(fleet: WorkerCounts, wanted: int) -> int:
    """Return how many workers to submit."""
    return max(0, wanted - fleet.here - fleet.coming)


def to_dismiss(fleet: WorkerCounts, wanted: int, idle: int) -> int:
    """Return how many of the `idle` workers to stop.

    No worker is stopped in favour of one that waits: a job may wait for long.
    """
    return max(0, min(idle, fleet.here - wanted))
