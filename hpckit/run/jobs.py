"""The Slurm jobs that were submitted for a run (``jobs.jsonl``).

Every program that submits a job for the run appends a line. Standard library only, because
workers read it to find the newest head job.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from hpckit.common.io_retry import retry_io
from hpckit.errors import StorageError
from hpckit.run.rundir import RunDir

HEAD_ROLES = ("head", "allocation")  # the roles of jobs that run a head


@dataclass(frozen=True, kw_only=True)
class SubmittedJob:
    """One submitted job or job array."""

    job_id: str
    role: str  # head, workers or allocation
    submitted_at: float  # Unix time, seconds
    array: str = ""  # the array's index list, such as "0-3"


def record_job(run_dir: RunDir, job: SubmittedJob) -> None:
    """Append one job, completely or not at all.

    Raises:
        StorageError: the run directory cannot be written.
    """
    line = json.dumps(asdict(job)) + "\n"
    try:
        handle = os.open(run_dir.jobs, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(handle, line.encode()) != len(line.encode()):
                os.write(handle, b"\n")  # end the incomplete line, which readers ignore
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageError(f"cannot record job {job.job_id} in {run_dir.jobs}: {error}") from error


def read_jobs(run_dir: RunDir) -> list[SubmittedJob]:
    """Return the run's jobs, oldest first, each once; an incomplete line is ignored.

    Raises:
        StorageError: the file exists but cannot be read, even after some seconds.
    """
    lines = retry_io(lambda: _lines(run_dir), f"read {run_dir.jobs}")
    jobs: dict[str, SubmittedJob] = {}
    for line in lines:
        try:
            job = SubmittedJob(**json.loads(line))
        except (ValueError, TypeError):
            continue
        jobs.setdefault(job.job_id, job)
    return list(jobs.values())


def _lines(run_dir: RunDir) -> list[str]:
    try:
        return run_dir.jobs.read_text().splitlines()
    except FileNotFoundError:
        return []


def newest_head(jobs: Sequence[SubmittedJob]) -> str:
    """Return the id of the last of `jobs` that runs a head, ``""`` if there is none."""
    return next((job.job_id for job in reversed(jobs) if job.role in HEAD_ROLES), "")


def newest_head_job(run_dir: RunDir) -> str:
    """Return the id of a run's newest job that runs a head, ``""`` before there is one."""
    return newest_head(read_jobs(run_dir))
