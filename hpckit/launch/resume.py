"""Cancel a run that exists, or go on with it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Final

import msgspec

from hpckit.errors import InputError
from hpckit.launch.change_walltime import with_new_walltime
from hpckit.launch.inputs import changed_inputs, current_marks, missing_outputs
from hpckit.launch.submit import Submitted, mark_cancelled, resubmit
from hpckit.model.units import counted
from hpckit.run.jobs import SubmittedJob, read_jobs
from hpckit.run.journal import load_state
from hpckit.run.resume_request import ResumeRequest, read_request, tasks_again
from hpckit.run.rundir import RunDir, write_atomically
from hpckit.run.state import DONE
from hpckit.run.status import FINAL, RunStatus, read_status
from hpckit.slurm.emulated import cluster_ended
from hpckit.slurm.sbatch import scancel

_LAST_WORD_S: Final = 10.0  # that a head may take to note the end and send its workers home


def cancel_run(run_dir: RunDir) -> None:
    """Let a running head end the run in order; then cancel every job that is left.

    Raises:
        StorageError: the run directory cannot be written.
        SchedulerError: the jobs cannot be cancelled.
    """
    status = read_status(run_dir)
    mark_cancelled(run_dir, why="hpckit cancel")
    deadline = time.monotonic() + (_LAST_WORD_S if status.state == "running" else 0)
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
    """The jobs that `resume_run` submitted, with notes for the user."""

    jobs: tuple[SubmittedJob, ...]
    notes: tuple[str, ...]


def resume_run(
    run_dir: RunDir,
    *,
    failed: bool = False,
    changed: bool = False,
    missing: bool = False,
    walltime_s: int | None = None,
) -> Resumed:
    """Submit again the scripts of a run that has ended, for what is not done.

    What an earlier call asked for and no head has begun is asked for again. Inputs count as seen
    only once the jobs that will read them are submitted.

    Args:
        run_dir: the run's files.
        failed: run the tasks again that failed for good, too.
        changed: run the done tasks again whose inputs have changed since, too.
        missing: run the done tasks again whose declared outputs are gone, too.
        walltime_s: how long its jobs may run from now on; None: as before.

    Raises:
        InputError: the run has not ended, or it would end again at once.
        StorageError: the run directory cannot be read or written.
        SchedulerError: sbatch refused.
    """
    status = _require_ended(run_dir)
    stale = _stale_tasks(run_dir, status)
    pending = read_request(run_dir, status.run_state)
    asked = ResumeRequest(
        id=uuid.uuid4().hex,
        failed=failed,
        changed=stale.changed if changed else [],
        missing=stale.missing if missing else [],
    )
    request = _merged(pending, asked)
    notes = _notes(status, stale, request, pending, walltime_s)
    if status.run_state.left + len(tasks_again(request, status.run_state)) == 0:
        return Resumed((), (*notes, f"{status.plan.run}: nothing is left to do"))
    _check_failures(status, request)
    marks = current_marks(run_dir, request.done)
    write_atomically(run_dir.resume, msgspec.json.encode(request).decode())
    with with_new_walltime(run_dir, status.plan, walltime_s) as cut:
        submitted = _resubmit(run_dir)
    if marks:
        write_atomically(run_dir.inputs, marks)
    return Resumed(submitted.jobs, (*notes, *cut))


def _require_ended(run_dir: RunDir) -> RunStatus:
    """Return how a run is; refuse one that goes on."""
    status = read_status(run_dir)
    if status.state not in FINAL:
        raise InputError(
            f"run {status.plan.run} is {status.state}; only what has ended can be resumed",
            hint=f"Follow it with `hpckit wait {status.plan.run}`, or cancel it first.",
        )
    return status


def _stale_tasks(run_dir: RunDir, status: RunStatus) -> ResumeRequest:
    """Return all that could be asked for."""
    changed = (task.index for task in changed_inputs(run_dir))
    return ResumeRequest(
        id="",
        failed=status.counts.failed > 0,
        changed=[index for index in changed if status.run_state.status[index] == DONE],
        missing=missing_outputs(run_dir, status.run_state),
    )


def _merged(pending: ResumeRequest | None, asked: ResumeRequest) -> ResumeRequest:
    """Return a request for all that is asked for now, and what no head has carried out yet."""
    before = pending or ResumeRequest(id="")
    return ResumeRequest(
        id=asked.id,
        failed=asked.failed or before.failed,
        changed=sorted({*asked.changed, *before.changed}),
        missing=sorted({*asked.missing, *before.missing}),
    )


def _check_failures(status: RunStatus, request: ResumeRequest) -> None:
    """Refuse what the head would end as soon as it has waited for its turn in the queue."""
    run, most, failures = status.plan.run, status.plan.max_failures, status.counts.failed
    if most and failures >= most and not request.failed:
        raise InputError(
            f"run {run} has {counted(failures, 'failed task')}, and --max-failures is {most}: it "
            "would end again at once",
            hint=f"Run them again, too: hpckit resume {run} --failed",
        )


def _resubmit(run_dir: RunDir) -> Submitted:
    """Submit the scripts again; a run that was cancelled is so again when that fails."""
    cancelled = run_dir.cancel.exists()
    run_dir.cancel.unlink(missing_ok=True)
    try:
        return resubmit(run_dir)
    except BaseException:
        if cancelled:
            mark_cancelled(run_dir, why="it could not be resumed")
        raise


def _notes(
    status: RunStatus,
    stale: ResumeRequest,
    request: ResumeRequest,
    pending: ResumeRequest | None,
    walltime_s: int | None,
) -> tuple[str, ...]:
    """Return what was asked for before, and what could be asked for and is not."""
    notes = []
    if pending is not None and pending.flags:
        notes.append(
            f"an earlier `hpckit resume{pending.flags}` has not begun; it is carried out too"
        )
    if stale.failed and not request.failed:
        failures = status.counts.failed
        longer = f" --walltime {walltime_s}s" if walltime_s else ""
        again = f"`hpckit resume {status.plan.run} --failed{longer}` runs "
        again += "it again" if failures == 1 else "them again"
        notes.append(f"{counted(failures, 'task')} failed for good; {again}")
    for what, flag, found in (
        ("the inputs of done tasks changed", "--changed", stale.changed),
        ("outputs of done tasks are gone", "--missing", stale.missing),
    ):
        missed = sorted(set(found) - set(request.done))
        if missed:
            some = ", ".join(map(str, missed[:10])) + (", …" if len(missed) > 10 else "")
            notes.append(f"{what}: {some}; {flag} runs them again")
    return tuple(notes)
