"""The time that is left for this worker, and the decision to take work."""

from __future__ import annotations

import math
import time
from typing import Final

from hpckit.common.limits import LEAVE_BEFORE_JOB_ENDS_S
from hpckit.model.units import human_duration

_WEIGHT: Final = 0.3  # of the newest task in the running mean
#: A task that began within this much of its job's beginning could not have begun sooner.
_AT_ONCE_S: Final = 15.0
_AT_ONCE_SHARE: Final = 0.05  # of the walltime, if that is longer
#: Slurm warns up to a minute early, and its KillWait is 30 s by default.
_EARLY_S: Final = 90.0
_EARLY_SHARE: Final = 1 / 3  # of the walltime, if that is shorter


class TimeLeft:
    """Open for work, then draining, by word from outside or by the clock.

    Args:
        ends_at: when the job ends, Unix time; 0: that is not known.
        began_at: when it began, Unix time; 0: that is not known.
        warning_s: how long before its end the head's job is warned.
    """

    def __init__(self, ends_at: float, began_at: float = 0.0, warning_s: int = 0) -> None:
        self.ends_at = ends_at
        self._began_at = began_at
        self._warning_s = warning_s
        self.draining = ""  # why no new work is taken
        self.dismissed = False  # whether the head has sent this worker home
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
        if left_s - LEAVE_BEFORE_JOB_ENDS_S < expected_s:
            return f"{max(0.0, left_s):.0f} s left of the walltime"
        return ""

    def too_short(self, started_at: float, wall_s: float) -> str:
        """Return why no worker can finish a task that was ended early, ``""`` if one may.

        None can when it had all of a job's time: it began with the job, and went with its end, or
        with that of a head that began with it.

        Args:
            started_at: when the task began, Unix time.
            wall_s: how long it ran.
        """
        if not (self.ends_at and self._began_at) or self.dismissed:
            return ""
        walltime_s = self.ends_at - self._began_at
        late_s = started_at - self._began_at
        early_s = min(self._warning_s + _EARLY_S, walltime_s * _EARLY_SHARE)
        if late_s > max(_AT_ONCE_S, walltime_s * _AT_ONCE_SHARE) or self.left_s() > early_s:
            return ""
        if wall_s < walltime_s / 2:
            return ""
        walltime = human_duration(60 * math.ceil(walltime_s / 60))  # as Slurm counts it
        return (
            f"not done after {human_duration(wall_s)}, all that a walltime of {walltime} leaves; "
            "`hpckit resume --failed --walltime TIME` gives it more"
        )

    def is_over(self) -> bool:
        """Return True if it is time to leave because of the walltime."""
        return self.left_s() < LEAVE_BEFORE_JOB_ENDS_S
