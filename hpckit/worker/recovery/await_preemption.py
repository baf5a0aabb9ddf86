"""A warned worker of an array stays in its job until Slurm ends it, with all its tasks handed back.

A preempted job whose processes leave by themselves ends as COMPLETED. One that is still there
when the grace time is over is PREEMPTED, and requeued: it keeps its place in the queue, and
comes back also where compute nodes may not submit. `scancel` and the time limit end the job
after KillWait, whatever its processes do.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Final

from hpckit.common.limits import AWAIT_PREEMPTION_S
from hpckit.common.log import say
from hpckit.model.paths import path_exists
from hpckit.model.plan import Plan
from hpckit.run.rundir import RunDir
from hpckit.worker.cancellation import SlurmWarning
from hpckit.worker.head_discovery import how_it_ended

_LOOK_S: Final = 1.0


def should_await_preemption(plan: Plan, warning: SlurmWarning, job_id: str) -> bool:
    """Return True if Slurm may be preempting this worker's own job."""
    return plan.shape == "array" and bool(job_id) and warning.signal == signal.SIGTERM


def await_preemption(
    run_dir: RunDir,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait to be ended; return why that was given up."""
    say("all is handed back; waiting for Slurm to end or requeue this job")
    deadline = clock() + AWAIT_PREEMPTION_S
    while clock() < deadline:
        if path_exists(run_dir.cancel):
            return "the run was cancelled"
        if state := how_it_ended(run_dir):
            return f"the run is {state}"
        sleep(_LOOK_S)
    return f"Slurm did not end this job within {AWAIT_PREEMPTION_S:.0f} s of the warning"
