"""The end of a run: its last word, its workers sent home, nothing temporary left behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hpckit.errors import HpckitError, SchedulerError, StorageError
from hpckit.head import exits
from hpckit.head.ledger import Ledger
from hpckit.head.members import Members
from hpckit.head.record import Record
from hpckit.node.atomic import sweep_partials
from hpckit.node.log import say
from hpckit.node.nodedir import sweep
from hpckit.run.address import withdraw_address
from hpckit.run.events import Ended
from hpckit.run.jobs import read_jobs
from hpckit.run.rundir import RunDir, remove_temporaries
from hpckit.run.state import RunState
from hpckit.run.tasks import read_tasks
from hpckit.slurm.sbatch import scancel
from hpckit.spec.paths import is_there
from hpckit.spec.plan import Plan

WHY_CHARS: Final = 1000  # workers look for the last event in the journal's last 4 kB
FAREWELL_S: Final = 15.0  # how long workers may take to leave at the end


def cut_short(run_dir: RunDir, plan: Plan, state: RunState) -> str:
    """Return why the run ends before all tasks have, ``""`` if it does not."""
    if is_there(run_dir.cancel):
        return "it was cancelled"
    if plan.max_failures and state.failed >= plan.max_failures:
        return f"{state.failed} tasks have failed, and --max-failures is {plan.max_failures}"
    return ""


def go_on_later(run_dir: RunDir, ledger: Ledger, record: Record) -> int:
    """Leave so that another head can go on; return the exit code."""
    withdraw_address(run_dir, record.incarnation)
    record.flush()
    record.write_counts()
    say(f"told to go; all is flushed, {ledger.state.left} tasks are left")
    return exits.FLUSHED


def last_word(run_dir: RunDir, plan: Plan, ledger: Ledger, record: Record) -> str:
    """Write the run's last event; return how it ended."""
    withdraw_address(run_dir, record.incarnation)
    state = ledger.state
    why = "" if ledger.finished else cut_short(run_dir, plan, state)
    word = "failed" if state.failed else "done"
    if not ledger.finished and is_there(run_dir.cancel):
        word = "cancelled"
    record.note(Ended(t=time.time(), state=word, why=why))
    record.flush()
    record.write_counts()
    counts = f"{state.done} done, {state.failed} failed, {state.left} left"
    say(f"run {plan.run} is {word}: {counts}" + (f"; {why}" if why else ""))
    return word


def broken(run_dir: RunDir, record: Record, why: str) -> None:
    """Leave word why the run cannot go on, where that can still be written."""
    with contextlib.suppress(HpckitError, OSError):
        withdraw_address(run_dir, record.incarnation)
    with contextlib.suppress(HpckitError, OSError):
        record.note(Ended(t=time.time(), state="stopped", why=why[:WHY_CHARS]))
        record.flush()
        record.write_counts()


def send_home(
    run_dir: RunDir, plan: Plan, members: Members, why: str, poll: Callable[[float], object]
) -> None:
    """End the workers, those that wait in the queue too. Writes no event: the last line of the
    journal says how the run ended.

    Args:
        run_dir: the run's files.
        plan: the run's plan.
        members: the workers.
        why: what they are told.
        poll: polls the engine for so long: a worker may still be handing something over.
    """
    _cancel_waiting(run_dir, plan)
    deadline = time.monotonic() + FAREWELL_S
    members.dismiss_all(why)
    while members.anybody and time.monotonic() < deadline:
        with contextlib.suppress(HpckitError):  # the run is over, whatever the engine says
            members.watch_door(0.05)
            poll(0.05)


def sweep_up(run_dir: RunDir, plan: Plan, record: Record) -> None:
    """Remove what was temporary; nothing where the run was resumed meanwhile: it is another's.

    Raises nothing where that cannot be found out: the run has had its last word.
    """
    sweep(plan.node_tmp)
    try:
        record.check_fence()
    except StorageError:  # fenced, or the directory cannot be read
        return
    remove_temporaries(run_dir)
    if plan.surroundings.atomic_outputs:
        outputs = (output for task in read_tasks(run_dir) for output in task.outputs)
        sweep_partials(plan.run, {str(Path(output).parent) for output in outputs})


def _cancel_waiting(run_dir: RunDir, plan: Plan) -> None:
    """Take back worker jobs that Slurm has not started: there is nothing to join."""
    ids = [job.job_id for job in read_jobs(run_dir) if job.role == "workers"]
    try:
        scancel(ids, slurm_bin=plan.slurm_bin, state="PENDING")
    except SchedulerError as error:
        say(f"worker jobs that still wait could not be cancelled: {error.message}")
