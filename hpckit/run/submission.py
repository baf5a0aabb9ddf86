"""Submit a job of a run and record it; if one of the two fails, there is no job.

A job that is not in ``jobs.jsonl`` would never be cancelled or counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from hpckit.errors import SchedulerError, StorageError
from hpckit.run.jobs import SubmittedJob, record_job
from hpckit.run.rundir import RunDir
from hpckit.slurm.sbatch import sbatch, scancel


def submit_job(
    run_dir: RunDir, role: str, *, slurm_bin: str, array: str = "", args: Sequence[str] = ()
) -> SubmittedJob:
    """Submit the script of a role and record the job; cancel it if it cannot be recorded.

    A caller in the main thread defers signals meanwhile.

    Args:
        run_dir: the run's files.
        role: head, workers or allocation.
        slurm_bin: the directory of Slurm's commands; ``""`` means PATH.
        array: indices of a job array, such as ``0-3``; ``""``: as the script says.
        args: further options of sbatch, one for each item.

    Raises:
        SchedulerError: sbatch refused.
        StorageError: the job could not be recorded.
    """
    indices = (f"--array={array}",) if array else ()
    job_id = sbatch(run_dir.script(role), slurm_bin=slurm_bin, args=(*indices, *args))
    job = SubmittedJob(job_id=job_id, role=role, submitted_at=time.time(), array=array)
    try:
        record_job(run_dir, job)
    except StorageError as error:
        _take_back(job_id, slurm_bin, error)
        raise
    return job


def _take_back(job_id: str, slurm_bin: str, why: StorageError) -> None:
    try:
        scancel([job_id], slurm_bin=slurm_bin)
    except SchedulerError as error:
        raise StorageError(
            f"{why.message}; it could not be cancelled either: {error.message}",
            hint=f"Cancel it: scancel {job_id}",
        ) from error
