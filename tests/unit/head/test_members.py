"""What the door tells of workers reaches those who keep the array of workers at its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpckit.head import members
from hpckit.head.door import Began, Came, DoorEvent, Went
from hpckit.head.ledger import Ledger
from hpckit.head.members import Members
from hpckit.run.events import Event
from hpckit.run.state import RunState
from hpckit.spec.worker import WorkerInfo
from tests.unit.factories import make_plan, make_run_dir, make_tasks

WORKER = WorkerInfo(name="57_1-n1", job_id="57_1", node="n1", pid=1, cores=1, memory_mib=10)


class Told:
    """Stands for `Elasticity`, and notes what it is told."""

    def __init__(self, *_: object) -> None:
        self.words: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.words.append(" ".join((name, *args)))


class Saying:
    """A door that tells what a test wants."""

    def __init__(self, *events: DoorEvent) -> None:
        self.events, self.workers = list(events), {WORKER.name: WORKER}

    def poll(self, _timeout_s: float) -> list[DoorEvent]:
        events, self.events = self.events, []
        return events


class Applying:
    """A record that keeps the ledger's state up to date, and writes nothing."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    def note(self, event: Event) -> None:
        self._state.apply(event, 1)


def test_a_worker_that_comes_begins_a_bundle_and_goes_is_told_by_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "Elasticity", Told)
    plan = make_plan()
    ledger = Ledger(plan, RunState(10), make_tasks(10), 1, lambda _: 0)
    door: Any = Saying(Came(WORKER), Began(WORKER.name, "1-1"), Went(WORKER.name, True, "over"))
    record: Any = Applying(ledger.state)
    made = Members(
        make_run_dir(tmp_path), plan, door=door, engine=None, ledger=ledger, record=record,  # type: ignore[arg-type]
    )  # fmt: skip
    made.watch_door(0.0)
    told: Any = made._elasticity
    assert told.words == ["changed", "came 57_1", "began 57_1", "changed"]
    made.close()
