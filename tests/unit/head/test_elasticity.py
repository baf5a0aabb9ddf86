from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from hpckit.head import elasticity
from hpckit.head.elasticity import Elasticity
from hpckit.head.fleet import Work
from hpckit.run.jobs import read_jobs
from hpckit.slurm.states import JobState
from tests.unit.factories import make_plan, make_run_dir

WORK = Work(tasks=1000, slots=1, mean_s=10.0)
DEADLINE_S = 10.0


def test_a_slow_squeue_does_not_make_it_submit_the_same_workers_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer to a question that was asked before a submission says nothing of it."""
    run_dir = make_run_dir(tmp_path)
    submitted: list[str] = []
    may_answer = threading.Event()

    def slow_states(ids: list[str], *, slurm_bin: str) -> dict[str, JobState]:
        known = list(submitted)  # as of when it was asked
        may_answer.wait(DEADLINE_S)
        return {f"{i}_{n}": JobState(job_id=f"{i}_{n}", state="PENDING")
                for i, _ in enumerate(known) for n in range(4)}  # fmt: skip

    def sbatch(script: Path, *, slurm_bin: str, args: tuple[str, ...]) -> str:
        submitted.append(args[0])
        return str(len(submitted) - 1)

    monkeypatch.setattr(elasticity, "job_states", slow_states)
    monkeypatch.setattr(elasticity, "sbatch", sbatch)
    now = [0.0]
    keeper = Elasticity(run_dir, make_plan(max_workers=4, max_array_size=1001), lambda: now[0])
    try:
        for step in range(200):
            now[0] += 1.0
            keeper.look(set(), [], WORK)
            if step == 60:
                may_answer.set()
            time.sleep(0.005)
        assert submitted == ["--array=0-3"]
        assert [job.array for job in read_jobs(run_dir)] == ["0-3"]
    finally:
        may_answer.set()
        keeper.close()
