"""Choose how many tasks go into a bundle.

Engines cost milliseconds per task, so short tasks travel together: about a second of work in
a bundle, fewer near the end, so that no worker idles while another works off a long bundle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

TARGET_S: Final = 1.0  # wall time that a bundle should take
SPARE: Final = 2  # bundles that an engine has beyond one per slot, so that a free slot finds one
MAX_AHEAD: Final = 8  # beyond these, for slots that are still to come
MAX_TASKS: Final = 500
_WEIGHT: Final = 0.3  # of the newest bundle in the running mean


@dataclass
class Sizer:
    """Learns how long tasks take, and sizes bundles by it."""

    mean_s: float | None = None  # wall time of one task; None before anything was measured

    def observe(self, walls_s: list[float]) -> None:
        """Take the measured wall times of some finished tasks into account."""
        if not walls_s:
            return
        newest = sum(walls_s) / len(walls_s)
        self.mean_s = (
            newest if self.mean_s is None else _WEIGHT * newest + (1 - _WEIGHT) * self.mean_s
        )

    def size(self, left: int, slots: int) -> int:
        """Return how many of `left` unsent tasks the next bundle gets, for `slots` slots."""
        if self.mean_s is None:
            return 1
        by_time = int(TARGET_S / max(self.mean_s, 1e-4))
        by_end = math.ceil(left / (2 * max(slots, 1)))
        return max(1, min(by_time, by_end, MAX_TASKS))

    def expected_s(self, tasks: int) -> float:
        """Return the wall time that a bundle of `tasks` should take; 0 when nothing is known."""
        return tasks * (self.mean_s or 0.0)


def bundles_held(slots: int, coming: int) -> int:
    """Return how many bundles an engine should have.

    A worker that joins finds one there already: an engine that waits for something to happen may
    not hear of a bundle that comes after it (Work Queue: for up to a second).

    Args:
        slots: of the workers that are here.
        coming: of those that the run is still to have.
    """
    return slots + SPARE + slots // 4 + min(max(coming, 0), MAX_AHEAD)
