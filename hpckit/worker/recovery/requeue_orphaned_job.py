"""An allocation whose head's node is lost: a worker that lives on has the job requeued.

With ``--no-kill`` Slurm takes a lost node out of the job and lets the rest go on, also when
the batch script and the head ran on it (ran: 22.05). Nobody is left then to end the job or to
start another head. Each worker waits for a new address; when none comes, one of them asks Slurm
to put the job back into the queue, where it begins again on other nodes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hpckit.common.log import say
from hpckit.engines.base import LONGEST_START_S
from hpckit.errors import SchedulerError
from hpckit.model.units import human_duration
from hpckit.slurm.requeue import requeue

#: Without any sign of a head. A supervisor that lives starts another loop within 10 s.
SILENT_S: Final = 60.0
#: A loop that has begun its journal may still be starting its engine.
STARTING_S: Final = LONGEST_START_S + 30.0
_SPREAD_S: Final = 15.0  # so that one worker asks, and the others hear of it first
_AGAIN_S: Final = 60.0  # after Slurm said no


@dataclass
class RequeueOrphanedJob:
    """Watches for how long there has been no head; `look` is called while the worker waits.

    Args:
        job_id: the allocation.
        slurm_bin: where Slurm's commands are.
        ask: puts a job back into the queue.
        clock: monotonic, seconds.
    """

    job_id: str
    slurm_bin: str
    ask: Callable[..., None] = requeue
    clock: Callable[[], float] = time.monotonic
    spread_s: float = field(default_factory=lambda: random.uniform(0, _SPREAD_S))
    _joined: int = 0  # incarnation that was served last
    _newest: int = 0
    _since: float = 0.0  # of the last sign of a head
    _asked_at: float = float("-inf")

    def served(self, incarnation: int) -> None:
        """Note that the head of this incarnation was there until now."""
        self._joined = self._newest = incarnation
        self._since = self.clock()

    def look(self, newest: int) -> str:
        """Have the job requeued if it is time; `newest` is the newest incarnation there is.

        Returns:
            ``""``: the worker goes on waiting; Slurm's signal tells it that it has worked.
        """
        if not self._joined:
            return ""  # before there was a head, it may be in no hurry
        now = self.clock()
        if newest != self._newest:
            self._newest, self._since = newest, now
        limit_s = SILENT_S if newest == self._joined else STARTING_S
        silent_s = now - self._since
        if silent_s < limit_s + self.spread_s or now - self._asked_at < _AGAIN_S:
            return ""
        self._asked_at = now
        say(f"no head for {human_duration(silent_s)}: job {self.job_id} goes back to the queue")
        try:
            self.ask(self.job_id, slurm_bin=self.slurm_bin)
        except SchedulerError as error:
            say(f"it could not be requeued: {error.message}")
        return ""
