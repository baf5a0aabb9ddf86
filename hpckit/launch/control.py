"""What is done to a run that exists: cancel it, go on with it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Final

import msgspec

from hpckit.errors import InputError
from hpckit.launch.inputs import changed_inputs, mark_anew
from hpckit.launch.submit import mark_cancelled, resubmit
from hpckit.run.jobs import SubmittedJob, read_jobs
from hpckit.run.journal import load_state
from hpckit.run.resume import ResumeRequest
from hpckit.run.rundir import RunDir, write_atomically
from hpckit.run.state import DONE
from hpckit.run.status import FINAL, RunStatus, read_status
from hpckit.slurm.emulated import cluster_ended
from hpckit.slurm.sbatch import scancel
from hpckit.spec.units import counted

_LAST_WORD_S: Final = 10.0  # that a head may take to note the end and send its workers home


def cancel_run(run_dir: RunDir) -> None:
    """Let a running head end the run in order; then cancel every job that is left.

    Raises:
        StorageError: the run directory cannot be written.
        SchedulerError: the jobs cannot be cancelled.
    """
    status = read_status(run_dir)
    mark_cancelled(run_dir, why="hpckit cancel")
    deadline = time.monotonic() + (_LAST_WORD_S if status.word == "running" else 0)
    while time.monotonic() < deadline:
        if load_state(run_dir, status.plan.tasks).ended:
            break
        time.sleep(0.2)
    plan = status.plan
    if plan.scheduler == "emulated" and cluster_ended(plan.slurm_bin):
        return  # and its jobs with it
    scancel([job.job_id for job in read_jobs(run_dir)], slurm_bin=plan.slurm_bin)


@dataclass(frozen=True)
class Resumed:
    """What `resume_run` did, with words for the user."""

    jobs: tuple[SubmittedJob, ...]
    notes: tuple[str, ...]


def resume_run(run_dir: RunDir, *, failed: bool, changed: bool) -> Resumed:
    """Submit the scripts of a run that has ended anew, for what is not done.

    Args:
        run_dir: the run's files.
        failed: run the tasks again that failed for good, too.
        changed: run the done tasks again whose inputs changed since submit, too.

    Raises:
        InputError: the run has not ended.
        StorageError: the run directory cannot be read or written.
        SchedulerError: sbatch refused.
    """
    status = read_status(run_dir)
    if status.word not in FINAL:
        raise InputError(
            f"run {status.plan.run} is {status.word}; only what has ended can be resumed",
            hint=f"Follow it with `hpckit wait {status.plan.run}`, or cancel it first.",
        )
    found = [task.index for task in changed_inputs(run_dir)]
    stale = [index for index in found if status.record.status[index] == DONE]
    notes = _notes(status, stale, failed=failed, changed=changed)
    again = (status.counts.failed if failed else 0) + (len(stale) if changed else 0)
    if status.record.left + again == 0:
        return Resumed((), (*notes, f"{status.plan.run}: nothing is left to do"))
    request = ResumeRequest(id=uuid.uuid4().hex, failed=failed, changed=stale if changed else [])
    write_atomically(run_dir.resume, msgspec.json.encode(request).decode())
    if changed:
        mark_anew(run_dir, stale)
    run_dir.cancel.unlink(missing_ok=True)
    submitted = resubmit(run_dir)
    return Resumed(submitted.jobs, notes)


def _notes(status: RunStatus, stale: list[int], *, failed: bool, changed: bool) -> tuple[str, ...]:
    notes = []
    if status.counts.failed and not failed:
        failures = status.counts.failed
        some = counted(failures, "task")
        again = (
            f"`hpckit resume {status.plan.run} --failed` runs {'it' if failures == 1 else 'them'}"
        )
        notes.append(f"{some} failed for good; {again} again")
    if stale and not changed:
        some = ", ".join(map(str, stale[:10])) + (", …" if len(stale) > 10 else "")
        notes.append(f"the inputs of done tasks changed: {some}; --changed runs them again")
    return tuple(notes)
