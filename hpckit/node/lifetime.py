"""How long this worker has, and whether it takes work."""

from __future__ import annotations

import time
from typing import Final

#: What is kept of the walltime for leaving in order.
MARGIN_S: Final = 10.0
_WEIGHT: Final = 0.3  # of the newest task in the running mean


class Lifetime:
    """Open for work, then draining, by word from outside or by the clock."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at  # Unix time; 0: no end known
        self.draining = ""  # why no new work is taken
        self._mean_s = 0.0  # wall time of a task, as measured here

    def left_s(self) -> float:
        """Return the seconds until the job ends, infinite when that is not known."""
        return self.ends_at - time.time() if self.ends_at else float("inf")

    def drain(self, reason: str) -> None:
        """Take no more work; the first reason stays."""
        self.draining = self.draining or reason

    def observe(self, wall_s: float) -> None:
        """Take into account how long a task took that ended well."""
        self._mean_s += (_WEIGHT if self._mean_s else 1.0) * (wall_s - self._mean_s)

    def refusal(self, expected_s: float, tasks: int = 0) -> str:
        """Return why work cannot begin, ``""`` if it can.

        Args:
            expected_s: what the head expects it to take. A bundle that was queued before anything
                was measured says 0.
            tasks: how many it has; as many times what a task took here counts too.
        """
        if self.draining:
            return self.draining
        expected_s = max(expected_s, tasks * self._mean_s)
        left_s = self.left_s()
        if left_s - MARGIN_S < expected_s:
            return f"{max(0.0, left_s):.0f} s left of the walltime"
        return ""

    def is_over(self) -> bool:
        """Whether it is time to leave because of the walltime."""
        return self.left_s() < MARGIN_S
