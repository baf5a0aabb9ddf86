"""How long this worker has, and whether it takes work."""

from __future__ import annotations

import time
from typing import Final

#: What is kept of the walltime for leaving in order.
MARGIN_S: Final = 10.0


class Lifetime:
    """Open for work, then draining, by word from outside or by the clock."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at  # Unix time; 0: no end known
        self.draining = ""  # why no new work is taken

    def left_s(self) -> float:
        """Return the seconds until the job ends, infinite when that is not known."""
        return self.ends_at - time.time() if self.ends_at else float("inf")

    def drain(self, reason: str) -> None:
        """Take no more work; the first reason stays."""
        self.draining = self.draining or reason

    def refusal(self, expected_s: float) -> str:
        """Return why work of this length cannot begin, ``""`` if it can."""
        if self.draining:
            return self.draining
        left_s = self.left_s()
        if left_s - MARGIN_S < expected_s:
            return f"{max(0.0, left_s):.0f} s left of the walltime"
        return ""

    def is_over(self) -> bool:
        """Whether it is time to leave because of the walltime."""
        return self.left_s() < MARGIN_S
