"""Requeue the head's job when the controller does not answer just as the job is warned."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from hpckit.common.backoff import Backoff
from hpckit.common.log import say
from hpckit.errors import SchedulerError
from hpckit.head import exit_codes
from hpckit.model.plan import Plan
from hpckit.slurm.requeue import requeue

PAUSE_S: Final = (2.0, 15.0)  # between two tries, at first and at most
ENDS_S: Final = 60.0  # within which Slurm ends a job that it has requeued


def requeue_with_retries(
    job_id: str,
    plan: Plan,
    *,
    ask: Callable[..., None] = requeue,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Ask Slurm to requeue a warned job until it does, or its time is up; return the exit code.

    The controller may not answer just then. Without a requeue the run would stop at its walltime.
    """
    deadline = clock() + plan.warning_s
    pauses = Backoff(*PAUSE_S, factor=1.5)
    while clock() < deadline:
        try:
            ask(job_id, slurm_bin=plan.slurm_bin)
        except SchedulerError as error:
            pause_s = pauses.next_s()
            say(f"supervisor: {error.message}; asking again in {pause_s:.0f} s")
            sleep(pause_s)
            continue
        say("supervisor: requeued; waiting for Slurm to end this job")
        sleep(ENDS_S)
        break
    return exit_codes.TERMINATED
