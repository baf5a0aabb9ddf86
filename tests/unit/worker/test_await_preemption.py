import signal
import time
from pathlib import Path

import pytest

from hpckit.run.rundir import RunDir
from hpckit.worker.cancellation import SlurmWarning
from hpckit.worker.recovery.await_preemption import (
    AWAIT_PREEMPTION_S,
    await_preemption,
    should_await_preemption,
)
from tests.unit.factories import make_plan, make_run_dir


def warning(number: int) -> SlurmWarning:
    found = SlurmWarning()
    found.at, found.signal = time.time(), number
    return found


@pytest.mark.parametrize(
    ("shape", "number", "job_id", "stays"),
    [
        ("array", signal.SIGTERM, "57_1", True),
        ("array", signal.SIGUSR2, "57_1", False),
        ("array", signal.SIGTERM, "", False),
        ("allocation", signal.SIGTERM, "57", False),  # there the head stays for all
        ("array", 0, "57_1", False),
    ],
)
def test_only_a_worker_that_slurm_may_be_preempting_stays(
    shape: str, number: int, job_id: str, stays: bool
) -> None:
    assert should_await_preemption(make_plan(shape=shape), warning(number), job_id) == stays


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    return make_run_dir(tmp_path / "run")


def wait(run_dir: RunDir) -> tuple[str, float]:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return await_preemption(run_dir, lambda: now[0], sleep), now[0]


def test_it_gives_up_when_slurm_does_nothing(run_dir: RunDir) -> None:
    why, after_s = wait(run_dir)
    assert "did not end this job" in why
    assert after_s == pytest.approx(AWAIT_PREEMPTION_S)


def test_it_leaves_when_the_run_is_over(run_dir: RunDir) -> None:
    run_dir.journal_file(1).write_text('{"e":"ended","t":1.0,"state":"done"}\n')
    assert wait(run_dir) == ("the run is done", 0.0)
    run_dir.cancel.touch()
    assert wait(run_dir) == ("the run was cancelled", 0.0)
