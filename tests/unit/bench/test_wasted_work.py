"""Work done again is counted from the files that the tasks write."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpckit.bench.measure.wasted_work import count_wasted_work
from hpckit.bench.measure.workload import TaskStart, make_directories, read_starts
from hpckit.run.events import Event, Joined, Left, Returned, Row
from hpckit.run.state import RunState


def state(*events: Event) -> RunState:
    found = RunState(2)
    for event in events:
        found.apply(event, 1)
    return found


def joined(worker: str, job: str) -> Joined:
    return Joined(t=0.0, worker=worker, job_id=job, node="n1", cores=1, memory_mib=0)


def done(index: int, at: float) -> Returned:
    row = Row(index, 0, "ok", True, 0, None, at, 1.0, 1.0, 5.0, -1)
    return Returned(t=at + 1, bundle="b", worker="w2", rows=[row])


def test_one_start_for_each_task_wastes_nothing() -> None:
    starts = [TaskStart("1", 10.0, "7_0", 11.0), TaskStart("2", 11.0, "7_0", 12.0)]
    assert count_wasted_work(starts, state(done(0, 10.0), done(1, 11.0)), 1) == (0, 0.0)


def test_an_interrupted_start_lasted_until_its_worker_left() -> None:
    events = (
        joined("w1", "7_0"), joined("w2", "7_1"),
        Left(t=12.5, worker="w2", orderly=True, why=""),
        Left(t=13.0, worker="w1", orderly=False, why="cut off"), done(0, 20.0),
    )  # fmt: skip
    starts = [TaskStart("1", 10.0, "7_0", 0.0), TaskStart("1", 20.01, "7_1", 21.0)]
    assert count_wasted_work(starts, state(*events), 1) == (1, 3.0)


def test_a_task_that_ended_twice_wasted_the_run_that_does_not_count() -> None:
    starts = [TaskStart("2", 10.0, "7_0", 11.5), TaskStart("2", 20.0, "7_1", 21.0)]
    assert count_wasted_work(starts, state(done(1, 20.0)), 1) == (1, 1.5)


def test_starts_are_read_from_the_files_of_the_tasks(tmp_path: Path) -> None:
    starts = make_directories(tmp_path) / "starts"
    (starts / "5.aaaaaa").write_text("1000.5 7_0\nend\n")
    (starts / "5.bbbbbb").write_text("1001.5 7_1\n")
    (starts / "6.cccccc").write_text("")
    found = list(read_starts(tmp_path))
    assert [(start.task, start.started_at, start.job) for start in found] == [
        ("5", 1000.5, "7_0"), ("5", 1001.5, "7_1"),
    ]  # fmt: skip
    assert found[0].ended_at == pytest.approx((starts / "5.aaaaaa").stat().st_mtime)
    assert found[1].ended_at == 0.0
