"""Decide how often a process that dies is started again.

hpckit has four places that start a process again. Slurm's requeue is a fifth, and not ours.

===========================  =================================================  ===================
place                        starts again                                      at most, in a row
===========================  =================================================  ===================
`hpckit.head.supervisor`     the main loop of a head that died                 5; 600 s are good
`hpckit.worker.recovery`     a killed worker of an allocation, in its step     5; 600 s are good
`hpckit.worker.head_session` the engine's worker beside a runner               5; 60 s are good
`hpckit.engines.pool`        the pool's only worker                            3; a result is good
===========================  =================================================  ===================
"""

from __future__ import annotations

import time
from collections.abc import Callable


class RestartPolicy:
    """Counts the ends of a process in a row.

    Args:
        most: how often it is started again in a row.
        good_after_s: an end that comes so long after the one before is the first of a new row.
        clock: monotonic, seconds.
    """

    def __init__(
        self,
        most: int,
        *,
        good_after_s: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self.in_a_row = 0
        self._good_after_s = good_after_s
        self._clock = clock
        self._ended_at = clock()

    def may_restart(self) -> bool:
        """Note that the process has ended; return True if it may be started again."""
        now = self._clock()
        if now - self._ended_at >= self._good_after_s:
            self.succeeded()
        self._ended_at = now
        self.in_a_row += 1
        return self.in_a_row <= self.most

    def succeeded(self) -> None:
        """Note that the process has done something useful: the next end is the first of a row."""
        self.in_a_row = 0
