"""The events of the worker server reach those who keep the array of workers at its size."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpckit.errors import EngineError
from hpckit.head import workers
from hpckit.head.task_scheduler import TaskScheduler
from hpckit.head.worker_server import BundleStarted, WorkerEvent, WorkerJoined, WorkerLeft
from hpckit.head.workers import Workers
from hpckit.model.retries import Retries
from hpckit.model.worker import WorkerInfo
from hpckit.protocol.bundle import Bundle
from hpckit.protocol.result import BundleResult
from hpckit.run.events import Event, Joined, Left, Lost, Noted
from hpckit.run.state import RunState
from tests.unit.factories import make_plan, make_result, make_run_dir, make_tasks

WORKER = WorkerInfo(name="57_1-n1", job_id="57_1", node="n1", pid=1, cores=1, memory_mib=10)


class Told:
    """Stands for `Autoscaler`, and notes what it is told."""

    def __init__(self, *_: object) -> None:
        self.words: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.words.append(" ".join((name, *args)))


class Saying:
    """A worker server that reports what a test wants, and remembers what it is told."""

    def __init__(self, *events: WorkerEvent) -> None:
        self.events, self.workers = list(events), {WORKER.name: WORKER}
        self.said: list[tuple[dict[str, str], str]] = []

    def drains(self, _worker: str) -> bool:
        return False

    def say(self, message: dict[str, str], worker: str = "") -> None:
        self.said.append((message, worker))

    def poll(self, _timeout_s: float) -> list[WorkerEvent]:
        events, self.events = self.events, []
        return events


class Applying:
    """An event log that keeps the scheduler's state up to date, and writes nothing."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    def note(self, event: Event) -> None:
        self._state.apply(event, 1)


def test_a_worker_that_comes_begins_a_bundle_and_goes_is_told_by_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "Autoscaler", Told)
    plan = make_plan()
    task_scheduler = TaskScheduler(plan, RunState(10), make_tasks(10), 1, lambda _: 0)
    server: Any = Saying(
        WorkerJoined(WORKER),
        BundleStarted(WORKER.name, "1-1"),
        WorkerLeft(WORKER.name, True, "over"),
    )
    event_log: Any = Applying(task_scheduler.state)
    made = Workers(
        make_run_dir(tmp_path),
        plan,
        worker_server=server,
        engine=None,
        task_scheduler=task_scheduler,
        event_log=event_log,  # type: ignore[arg-type]
    )
    made.poll_workers(0.0)
    told: Any = made._autoscaler
    assert told.words == ["worker_joined 57_1", "began 57_1", "worker_left 57_1"]
    made.close()


class Scene:
    """Workers of a run, a server that reports what a test wants, and what was noted."""

    def __init__(self, root: Path, worker: WorkerInfo = WORKER, **plan: Any) -> None:
        self.plan = make_plan(**plan)
        self.task_scheduler = TaskScheduler(self.plan, RunState(10), make_tasks(10), 1, lambda _: 0)
        self.server = Saying(WorkerJoined(worker))
        self.worker = worker
        self.notes: list[Event] = []
        self.run_dir = make_run_dir(root)
        self.made = Workers(
            self.run_dir, self.plan, worker_server=self.server, engine=Forgetting(),
            task_scheduler=self.task_scheduler,  # type: ignore[arg-type]
            event_log=self,  # type: ignore[arg-type]
        )  # fmt: skip
        self.made.poll_workers(0.0)

    def note(self, event: Event | None) -> None:
        if event is not None:
            self.notes.append(event)
            if isinstance(event, Joined | Left | Noted):
                self.task_scheduler.state.apply(event, 1)

    def begins(self, count: int) -> list[Bundle]:
        bundles = [bundle for _ in range(count) if (bundle := self.task_scheduler.next_bundle(10))]
        self.server.events += [BundleStarted(self.worker.name, bundle.id) for bundle in bundles]
        self.made.poll_workers(0.0)
        return bundles

    def goes(self) -> None:
        self.server.events.append(WorkerLeft(self.worker.name, False, "its process ended"))
        self.made.poll_workers(0.0)


class Forgetting:
    """An engine that only takes bundles back."""

    def cancel(self, _bundle: str) -> None:
        pass


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(workers, "Autoscaler", Told)
    found = Scene(tmp_path / "run")
    yield found
    found.made.close()


def test_the_spool_of_a_worker_that_went_is_read_once_for_all_its_bundles(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = scene.begins(4)
    lines = [
        json.dumps({"bundle": b.id, "result": vars(make_result(b.tasks[0].index))}) + "\n"
        for b in bundles[:3]
    ]
    scene.run_dir.spool_file(WORKER.name).write_text("".join(lines))
    reads: list[str] = []
    read = workers.read_spool
    monkeypatch.setattr(
        workers, "read_spool", lambda *args: (reads.append(args[1]), read(*args))[1]
    )
    scene.goes()
    assert reads == [WORKER.name]
    lost = [event for event in scene.notes if isinstance(event, Lost)]
    assert [len(event.rows) for event in lost] == [1, 1, 1, 0]
    assert scene.task_scheduler.state.done == 3


def test_a_task_that_takes_down_workers_outside_of_slurm_is_poison_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started by hand, they are of no job: Slurm would never say why they went."""
    monkeypatch.setattr(workers, "Autoscaler", Told)
    by_hand = replace(WORKER, job_id="")
    scene = Scene(tmp_path / "run", by_hand, retries=Retries(poison_after=3))
    try:
        for _ in range(3):
            scene.begins(1)
            scene.goes()
            scene.server.events.append(WorkerJoined(by_hand))
            scene.made.poll_workers(0.0)
        assert scene.task_scheduler.state.failed == 1
    finally:
        scene.made.close()


NO_SPACE = "cannot make /tmp/x: No space left"


@pytest.mark.parametrize(
    "undone",
    [
        {"results": (), "not_run": (1,), "reason": NO_SPACE},
        {"results": (make_result(1, "lost", message=NO_SPACE),)},
    ],
)
def test_a_worker_that_runs_nothing_and_gives_all_back_is_told_to_leave_with_its_reason(
    scene: Scene, undone: dict[str, Any]
) -> None:
    def back(number: int) -> None:
        scene.made.drop_if_failing(BundleResult(bundle=f"1-{number}", worker=WORKER.name, **undone))

    for number in range(workers.MAX_RETURNED_UNDONE - 1):
        back(number)
    good = BundleResult(bundle="1-9", worker=WORKER.name, results=(make_result(1),))
    scene.made.drop_if_failing(good)
    for number in range(workers.MAX_RETURNED_UNDONE - 1):
        back(number)
    assert scene.server.said == []
    scene.begins(1)
    back(5)
    assert scene.server.said == []  # it runs something
    scene.task_scheduler.sent.clear()
    back(6)
    assert scene.server.said == [({"stop": NO_SPACE}, WORKER.name)]
    noted = [event.text for event in scene.notes if isinstance(event, Noted)]
    assert noted == [
        f"worker {WORKER.name} is told to leave, all that it was sent came back: {NO_SPACE}"
    ]


def test_an_allocation_that_nobody_works_in_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path / "run", shape="allocation")
    now = [time.monotonic()]
    monkeypatch.setattr(workers.time, "monotonic", lambda: now[0])
    try:
        now[0] += 2 * workers.NO_WORKER_S
        scene.made.look_at_slurm()
        scene.server.workers.clear()
        now[0] += workers.NO_WORKER_S - 1
        scene.made.look_at_slurm()
        now[0] += 2
        with pytest.raises(EngineError, match="no worker has been here for 15 minutes") as caught:
            scene.made.look_at_slurm()
        assert "hpckit resume bag-1" in caught.value.hint
    finally:
        scene.made.close()
