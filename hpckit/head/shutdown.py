"""The end of a run: write the end event, stop the workers, remove temporary files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hpckit.common.log import say
from hpckit.common.scratch_dir import remove_old_scratch_dirs
from hpckit.errors import HpckitError, SchedulerError, StorageError
from hpckit.head import exit_codes
from hpckit.head.event_log import EventLog
from hpckit.head.task_scheduler import TaskScheduler
from hpckit.head.workers import Workers
from hpckit.model.paths import path_exists
from hpckit.model.plan import Plan
from hpckit.run.address import withdraw_address
from hpckit.run.events import Ended
from hpckit.run.jobs import read_jobs
from hpckit.run.rundir import RunDir, remove_temporaries
from hpckit.run.state import RunState
from hpckit.run.tasks import read_tasks
from hpckit.run.temporary_outputs import remove_temporary_outputs
from hpckit.slurm.sbatch import scancel

WHY_CHARS: Final = 1000  # workers look for the last event in the journal's last 4 kB
WORKERS_LEAVE_S: Final = 15.0  # how long workers may take to leave at the end


def early_end(run_dir: RunDir, plan: Plan, state: RunState) -> str:
    """Return why the run ends before all tasks have, ``""`` if it does not."""
    if path_exists(run_dir.cancel):
        return "it was cancelled"
    if plan.max_failures and state.failed >= plan.max_failures:
        return f"{state.failed} tasks have failed, and --max-failures is {plan.max_failures}"
    return ""


def leave_for_next_head(run_dir: RunDir, task_scheduler: TaskScheduler, event_log: EventLog) -> int:
    """Leave so that another head can go on; return the exit code."""
    withdraw_address(run_dir, event_log.incarnation)
    event_log.flush()
    event_log.write_counts()
    say(f"told to go; all is flushed, {task_scheduler.state.left} tasks are left")
    return exit_codes.FLUSHED


def write_end_event(
    run_dir: RunDir, plan: Plan, task_scheduler: TaskScheduler, event_log: EventLog
) -> str:
    """Write the run's last event; return how it ended."""
    withdraw_address(run_dir, event_log.incarnation)
    state = task_scheduler.state
    why = "" if task_scheduler.finished else early_end(run_dir, plan, state)
    word = "failed" if state.failed else "done"
    if not task_scheduler.finished and path_exists(run_dir.cancel):
        word = "cancelled"
    event_log.note(Ended(t=time.time(), state=word, why=why))
    event_log.flush()
    event_log.write_counts()
    counts = f"{state.done} done, {state.failed} failed, {state.left} left"
    say(f"run {plan.run} is {word}: {counts}" + (f"; {why}" if why else ""))
    return word


def write_stopped_event(run_dir: RunDir, event_log: EventLog, why: str) -> None:
    """Write why the run cannot go on, if the directory can still be written."""
    with contextlib.suppress(HpckitError, OSError):
        withdraw_address(run_dir, event_log.incarnation)
    with contextlib.suppress(HpckitError, OSError):
        event_log.note(Ended(t=time.time(), state="stopped", why=why[:WHY_CHARS]))
        event_log.flush()
        event_log.write_counts()


def stop_workers(
    run_dir: RunDir, plan: Plan, members: Workers, why: str, poll: Callable[[float], object]
) -> None:
    """End the workers, those that wait in the queue too. Writes no event: the last line of the
    journal says how the run ended.

    Args:
        run_dir: the run's files.
        plan: the run's plan.
        workers: the workers.
        why: what they are told.
        poll: polls the engine for so long: a worker may still be returning a result.
    """
    _cancel_waiting(run_dir, plan)
    deadline = time.monotonic() + WORKERS_LEAVE_S
    members.stop_all(why)
    while members.any_here and time.monotonic() < deadline:
        with contextlib.suppress(HpckitError):  # the run is over, whatever the engine says
            members.poll_workers(0.05)
            poll(0.05)


def remove_leftovers(run_dir: RunDir, plan: Plan, event_log: EventLog) -> None:
    """Remove temporary files, unless the run was resumed meanwhile: they belong to another head.

    Raises nothing where that cannot be found out: the end event is written already.
    """
    remove_old_scratch_dirs(plan.node_tmp)
    try:
        event_log.check_fence()
    except StorageError:  # fenced, or the directory cannot be read
        return
    remove_temporaries(run_dir)
    if plan.task_settings.atomic_outputs:
        outputs = (output for task in read_tasks(run_dir) for output in task.outputs)
        remove_temporary_outputs(plan.run, {str(Path(output).parent) for output in outputs})


def _cancel_waiting(run_dir: RunDir, plan: Plan) -> None:
    """Cancel worker jobs that Slurm has not started: there is nothing to join."""
    ids = [job.job_id for job in read_jobs(run_dir) if job.role == "workers"]
    try:
        scancel(ids, slurm_bin=plan.slurm_bin, state="PENDING")
    except SchedulerError as error:
        say(f"worker jobs that still wait could not be cancelled: {error.message}")
