"""More workers for a run, or fewer, from the login node."""

from __future__ import annotations

import json

from hpckit.errors import HpckitError, InputError
from hpckit.launch.defer_signals import deferred_signals
from hpckit.launch.jobs import array_slices
from hpckit.run.jobs import SubmittedJob, read_jobs
from hpckit.run.rundir import RunDir, write_atomically
from hpckit.run.status import FINAL, RunStatus, read_status
from hpckit.run.submission import submit_job
from hpckit.slurm.jobs import job_states
from hpckit.slurm.sbatch import scancel


def add_workers(run_dir: RunDir, count: int) -> list[SubmittedJob]:
    """Submit `count` more workers, and let the head keep that many more.

    Raises:
        InputError: the run has ended, or its workers are no array.
        SchedulerError: sbatch refused; what it had taken is cancelled.
        StorageError: the run directory cannot be written; what was submitted is cancelled.
    """
    status = _changeable(run_dir)
    plan = status.plan
    jobs: list[SubmittedJob] = []
    try:
        with deferred_signals():
            for array in array_slices(count, plan.max_array_size):
                jobs.append(submit_job(run_dir, "workers", slurm_bin=plan.slurm_bin, array=array))
            _set_max_workers(status, _max_workers(status) + count)
    except HpckitError:
        scancel([job.job_id for job in jobs], slurm_bin=plan.slurm_bin)
        raise
    return jobs


def drop_workers(run_dir: RunDir, count: int) -> list[str]:
    """Cancel up to `count` worker jobs, waiting ones first; return their ids.

    Those that run are warned, hand back what they have not begun, and leave.

    Raises:
        InputError: the run has ended, or its workers are no array.
        SchedulerError: Slurm does not answer.
        StorageError: the run directory cannot be written.
    """
    status = _changeable(run_dir)
    slurm_bin = status.plan.slurm_bin
    ids = [job.job_id for job in read_jobs(run_dir) if job.role == "workers"]
    states = job_states(ids, slurm_bin=slurm_bin).values()
    by_phase = {
        phase: [state.job_id for state in states if state.phase == phase]
        for phase in ("waiting", "running")
    }
    chosen = [*by_phase["waiting"], *by_phase["running"]][:count]
    _set_max_workers(status, max(0, _max_workers(status) - count))
    scancel(chosen, slurm_bin=slurm_bin)
    return chosen


def _changeable(run_dir: RunDir) -> RunStatus:
    status = read_status(run_dir)
    if status.state in FINAL:
        most = status.plan.max_failures
        failed = " --failed" if most and status.counts.failed >= most else ""
        raise InputError(
            f"run {status.plan.run} is {status.state}; it has no workers to add or drop",
            hint=f"Go on with it: hpckit resume {status.plan.run}{failed}",
        )
    if status.plan.shape != "array":
        raise InputError(
            f"run {status.plan.run} has the allocation shape: its nodes are those of its one job",
            hint="Submit with --shape array to change the number of workers later.",
        )
    return status


def _max_workers(status: RunStatus) -> int:
    try:
        return int(json.loads(status.run_dir.workers.read_bytes())["most"])
    except (OSError, ValueError, KeyError, TypeError):
        return status.plan.max_workers


def _set_max_workers(status: RunStatus, most: int) -> None:
    least = min(status.plan.min_workers, most)
    write_atomically(status.run_dir.workers, json.dumps({"least": least, "most": most}))
