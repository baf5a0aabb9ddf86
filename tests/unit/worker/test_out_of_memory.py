"""Tasks that the kernel ended for their memory, told from those that somebody else killed."""

import os
import time
from pathlib import Path

import pytest

from hpckit.model.task import Task, TaskSettings
from hpckit.protocol.result import TaskResult
from hpckit.worker.cancellation import Cancellation, SlurmWarning, StopFlag
from hpckit.worker.task import classify_exit
from hpckit.worker.task.classify_exit import OomKills, ProcessEnd, classify
from hpckit.worker.task.environment import SlotResources, TaskContext
from hpckit.worker.task.orphans import Orphans
from hpckit.worker.task.process import WorkerShared, run_command

AROUND = TaskSettings(run="r")


class Kernel:
    """A cgroup whose kills a test makes up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kills = 0
        self.has_killed(7)  # before there was any worker

    def has_killed(self, more: int = 1) -> None:
        self.kills += more
        self.path.write_text(f"low 0\noom 9\noom_kill {self.kills}\noom_group_kill 0\n")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    path = tmp_path / "memory.events"
    monkeypatch.setattr(classify_exit, "_memory_event_files", lambda: [path])
    return Kernel(path)


def kind(oom: OomKills, code: int, started_at: float) -> str:
    """Return what a task is judged that began then and has just ended with this code."""
    ending = ProcessEnd.of(code, "", started_at, time.time() - started_at, "")
    return classify(Task(index=0, key="k", argv=("x",)), AROUND, ending, SlurmWarning(), oom)[0]


def test_all_tasks_that_were_running_at_a_kill_may_have_been_hit_by_it(kernel: Kernel) -> None:
    oom = OomKills()
    started_at = time.time()
    assert kind(oom, -9, started_at) == "signal"
    kernel.has_killed(2)
    assert [kind(oom, -9, started_at) for _ in range(3)] == ["memory"] * 3
    assert kind(oom, -9, time.time()) == "signal"  # it began after that


def test_a_wrapper_tells_that_its_payload_was_killed(kernel: Kernel) -> None:
    oom = OomKills()
    started_at = time.time()
    assert kind(oom, 137, started_at) == "error"
    kernel.has_killed()
    assert kind(oom, 137, started_at) == "memory"
    assert kind(oom, -11, started_at) == "signal"
    assert kind(oom, 1, started_at) == "error"
    assert kind(oom, 0, started_at) == "ok"


def test_the_end_of_any_task_dates_the_kills_before_it(kernel: Kernel) -> None:
    oom = OomKills()
    started_at = time.time()
    kernel.has_killed()  # a helper of this task, which got over it
    assert kind(oom, 0, started_at) == "ok"
    assert kind(oom, -9, time.time()) == "signal"


def test_a_count_that_cannot_be_read_for_a_moment_is_no_kill(kernel: Kernel) -> None:
    oom = OomKills()
    started_at = time.time()
    kernel.path.unlink()
    assert kind(oom, -9, started_at) == "signal"
    kernel.has_killed(0)
    assert kind(oom, -9, started_at) == "signal"


class NoOrphans(Orphans):
    """Lets the children of the tests be."""

    def _orphans(self) -> list[int]:
        return []


def run(tmp_path: Path, oom: OomKills, script: str) -> TaskResult:
    """Return the result of a real task."""
    context = TaskContext(dict(os.environ), str(tmp_path), "t", SlotResources(0, tmp_path, {}))
    over = StopFlag()
    try:
        task = Task(index=0, key="k", argv=("sh", "-c", script))
        shared = WorkerShared(NoOrphans(), SlurmWarning(), oom)
        return run_command(task, 1, AROUND, context, Cancellation(None, over), shared)
    finally:
        over.close()


@pytest.mark.parametrize("ending", ["kill -9 $$", "sh -c 'kill -9 $$'; exit $?"])
def test_only_a_kill_while_the_task_runs_counts(
    tmp_path: Path, kernel: Kernel, ending: str
) -> None:
    oom = OomKills()
    kernel.has_killed()  # while nothing ran
    assert run(tmp_path, oom, ending).kind in ("signal", "error")
    result = run(tmp_path, oom, f"echo oom_kill 99 > memory.events; {ending}")
    assert (result.kind, result.message) == ("memory", "the kernel ended it for its memory")
