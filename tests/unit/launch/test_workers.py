"""`hpckit workers add` from the login node."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace

import pytest

from hpckit.errors import SchedulerError, StorageError
from hpckit.launch.workers import add_workers
from hpckit.run.jobs import read_jobs
from hpckit.run.rundir import RunDir
from tests.unit.launch.conftest import COUNTING, Case
from tests.unit.slurm.fake import FakeSlurm


@pytest.fixture
def run_dir(case: Case, slurm: FakeSlurm) -> RunDir:
    for command in ("squeue", "sacct"):
        slurm.answer(command)
    return case.submit(case.plan()).run_dir


def test_workers_that_are_added_are_written_down(run_dir: RunDir, slurm: FakeSlurm) -> None:
    added = add_workers(run_dir, 3)
    assert [(job.job_id, job.array) for job in added] == [("103", "0-2")]
    assert slurm.asked[-1] == f"sbatch --parsable --array=0-2 {run_dir.script('workers')}"
    assert read_jobs(run_dir)[-1] == added[0]


def test_an_interrupt_during_sbatch_leaves_no_job_that_nobody_knows(
    run_dir: RunDir, slurm: FakeSlurm
) -> None:
    slurm.script("sbatch", f"kill -INT {os.getpid()}\n" + COUNTING)
    with pytest.raises(KeyboardInterrupt):
        add_workers(run_dir, 3)
    assert [job.job_id for job in read_jobs(run_dir)] == ["101", "102", "103"]


def test_a_refusal_is_told_and_nothing_is_written_down(run_dir: RunDir, slurm: FakeSlurm) -> None:
    slurm.answer("sbatch", stderr="sbatch: error: no\n", code=1)
    with pytest.raises(SchedulerError, match="no"):
        add_workers(run_dir, 3)
    assert [job.job_id for job in read_jobs(run_dir)] == ["101", "102"]


def test_of_workers_in_slices_all_are_submitted_or_none_stay(
    case: Case, slurm: FakeSlurm, run_dir: RunDir
) -> None:
    run_dir.plan.write_text(replace(run_dir.read_plan(), max_array_size=2).to_json())
    slurm.script(
        "sbatch", 'case "$*" in *--array=0-1*) ;; *) echo no >&2; exit 1;; esac\n' + COUNTING
    )
    with pytest.raises(SchedulerError, match="no"):
        add_workers(run_dir, 3)
    assert slurm.asked[-1] == "scancel 103"


def test_workers_that_cannot_be_written_down_are_cancelled(
    run_dir: RunDir, slurm: FakeSlurm
) -> None:
    jobs = shlex.quote(str(run_dir.jobs))
    slurm.script("sbatch", f"rm {jobs}; mkdir {jobs}\n" + COUNTING)
    with pytest.raises(StorageError, match="cannot record job 103"):
        add_workers(run_dir, 3)
    assert slurm.asked[-1] == "scancel 103"
