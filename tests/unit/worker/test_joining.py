"""The messages of a worker to a head that it joins while bundles run already."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hpckit.run.rundir import RunDir
from hpckit.worker import main as module
from hpckit.worker.head_session import HeadSession
from hpckit.worker.main import Options, Worker
from tests.engines.harness import make_plan


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(module, "set_worker_name", lambda name: None)
    options = Options(run_dir=RunDir(tmp_path), patience_s=1, socket="", name="w", once=True)
    return Worker(options, make_plan(tmp_path, "pool", node_tmp=str(tmp_path)))


def test_no_bundle_that_begins_while_a_session_does_is_missed(worker: Worker) -> None:
    told: list[str] = []
    worker_server = SimpleNamespace(send=lambda message: told.append(message["started"]))
    session = cast("HeadSession", SimpleNamespace(client=worker_server))
    running: list[str] = []
    worker.runner.close()
    worker.runner = cast("Any", SimpleNamespace(running=running))
    ids = [[f"1-{slot}{number:03}" for number in range(200)] for slot in range(4)]
    halfway = threading.Barrier(5)

    def serve(slot: int) -> None:
        for number, bundle in enumerate(ids[slot]):
            if number == 100:
                halfway.wait(10)
            running.append(bundle)
            worker._tell_started(bundle)

    threads = [threading.Thread(target=serve, args=(slot,)) for slot in range(4)]
    for thread in threads:
        thread.start()
    halfway.wait(10)
    worker._begin(session)
    for thread in threads:
        thread.join(10)
    worker.node.remove()
    assert set(told) == {bundle for slot in ids for bundle in slot}
