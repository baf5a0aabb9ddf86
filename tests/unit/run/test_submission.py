"""A job is submitted and recorded, or neither."""

import shlex
from pathlib import Path

import pytest

from hpckit.errors import SchedulerError, StorageError
from hpckit.run.jobs import SubmittedJob, newest_head, read_jobs
from hpckit.run.rundir import RunDir
from hpckit.run.submission import submit_job
from tests.unit.factories import make_run_dir
from tests.unit.slurm.fake import FakeSlurm, fake_slurm


@pytest.fixture
def slurm(tmp_path: Path) -> FakeSlurm:
    made = fake_slurm(tmp_path / "slurm's bin")
    made.answer("sbatch", "57\n")
    made.answer("scancel")
    return made


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    return make_run_dir(tmp_path / "a run")


def lose_the_record(run_dir: RunDir, slurm: FakeSlurm) -> None:
    """Make the list of jobs unwritable while sbatch runs."""
    slurm.script("sbatch", f"mkdir {shlex.quote(str(run_dir.jobs))}\necho 57\n")


def test_a_submitted_job_is_recorded(run_dir: RunDir, slurm: FakeSlurm) -> None:
    job = submit_job(run_dir, "workers", slurm_bin=slurm.bin, array="0-3", args=("--hold",))
    assert slurm.asked == [
        f"sbatch --parsable --array=0-3 --hold {run_dir.script('workers')}"
    ]  # fmt: skip
    assert read_jobs(run_dir) == [job]
    assert (job.job_id, job.role, job.array) == ("57", "workers", "0-3")


def test_a_refused_job_is_not_recorded(run_dir: RunDir, slurm: FakeSlurm) -> None:
    slurm.answer("sbatch", stderr="sbatch: error: Invalid account\n", code=1)
    with pytest.raises(SchedulerError, match="Invalid account"):
        submit_job(run_dir, "head", slurm_bin=slurm.bin)
    assert read_jobs(run_dir) == []


def test_a_job_that_cannot_be_recorded_is_cancelled(run_dir: RunDir, slurm: FakeSlurm) -> None:
    lose_the_record(run_dir, slurm)
    with pytest.raises(StorageError, match="cannot record job 57"):
        submit_job(run_dir, "head", slurm_bin=slurm.bin)
    assert slurm.asked[-1] == "scancel 57"


def test_a_job_that_cannot_be_cancelled_either_is_named_to_the_user(
    run_dir: RunDir, slurm: FakeSlurm
) -> None:
    lose_the_record(run_dir, slurm)
    slurm.answer("scancel", stderr="scancel: error: Unable to contact slurm controller\n", code=1)
    with pytest.raises(StorageError) as caught:
        submit_job(run_dir, "head", slurm_bin=slurm.bin)
    assert "cannot record job 57" in str(caught.value)
    assert "Unable to contact" in str(caught.value)
    assert str(caught.value).endswith("\nCancel it: scancel 57")


def test_the_newest_head_is_the_last_one_submitted() -> None:
    jobs = [
        SubmittedJob(job_id=job_id, role=role, submitted_at=1.0)
        for job_id, role in (("1", "head"), ("2", "workers"), ("3", "head"), ("4", "workers"))
    ]
    assert newest_head(jobs) == "3"
    assert newest_head(jobs[1:2]) == ""
