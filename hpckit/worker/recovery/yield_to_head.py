"""Workers that wait for a head must not keep the very nodes that its job waits for.

The workers of an array outlive their head. When its job comes back into the queue (requeued,
preempted, resumed) and they hold all that this user may use, it would wait for them, and they for
it. So a worker that has waited a while asks Slurm, and leaves when that is what the head's job
waits for. Each asks at another time: when one has made room, the others stay.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hpckit.common.backoff import Backoff
from hpckit.common.log import say
from hpckit.errors import SchedulerError
from hpckit.slurm.waiting import why_waiting

FIRST_S: Final = 15.0  # without a head, before Slurm is asked
_EACH_S: Final = 0.5  # of the workers' spread: two of them ask in a second, however many they are
_MIN_SPREAD_S: Final = 10.0
_AGAIN_S: Final = (30.0, 300.0)  # between two questions of a worker, at first and at most
#: Reasons that one more free node cures; limits on what this user runs are among them.
#: https://slurm.schedmd.com/job_reason_codes.html
_FOR_ROOM: Final = ("Resources", "Priority", "QOSMax", "QOSGrp", "AssocMax", "AssocGrp", "Nodes")


@dataclass
class YieldToHead:
    """Says when a worker of an array should leave, so that its head can start.

    Args:
        head_job: returns the id of the newest job that carries a head.
        slurm_bin: where Slurm's commands are.
        workers: how many others may be asking.
        ask: returns why a job waits.
        clock: monotonic, seconds.
        chance: returns a number from 0 to 1.
    """

    head_job: Callable[[], str]
    slurm_bin: str
    workers: int
    ask: Callable[..., str] = why_waiting
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        self._pauses = Backoff(*_AGAIN_S, jitter=(1.0, 2.0), chance=self.chance)
        self._newest = -1
        self._next_at = 0.0

    def served(self, incarnation: int) -> None:
        """Note that the head of this incarnation was there until now."""
        self._wait_anew(incarnation)

    def look(self, newest: int) -> str:
        """Return why to leave, ``""`` to stay; `newest` is the newest incarnation there is."""
        if newest != self._newest:
            self._wait_anew(newest)
        if self.clock() < self._next_at:
            return ""
        self._next_at = self.clock() + self._pauses.next_s()
        job = self.head_job()
        try:
            reason = self.ask(job, slurm_bin=self.slurm_bin) if job else ""
        except SchedulerError as error:
            say(f"Slurm does not say how the head's job {job} is: {error.message}")
            return ""
        if not reason.startswith(_FOR_ROOM):
            return ""
        return f"the head's job {job} waits for room ({reason}), which this worker makes"

    def _wait_anew(self, newest: int) -> None:
        self._newest = newest
        self._pauses.reset()
        spread_s = max(_MIN_SPREAD_S, self.workers * _EACH_S)
        self._next_at = self.clock() + FIRST_S + spread_s * self.chance()
