"""Waiting for the head, on a clock of the test's own."""

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from hpckit.errors import EngineError
from hpckit.model.worker import WorkerInfo
from hpckit.run.address import Address, publish_address
from hpckit.run.jobs import SubmittedJob, record_job
from hpckit.run.rundir import RunDir
from hpckit.worker import head_client
from hpckit.worker.head_discovery import HeadDiscovery, NothingToJoin, how_it_ended, staleness

WORKER = WorkerInfo(name="7-n1", job_id="7", node="n1", pid=1, cores=1, memory_mib=100)
ADDRESS = Address(run="r", backend="pool", incarnation=2, nonce="n", job_id="61", node="h", pid=1,
                  hosts=("127.0.0.1",), worker_port=1)  # fmt: skip


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path)
    found.journal.mkdir()
    found.address.parent.mkdir()
    for incarnation in (1, 2):
        found.journal_file(incarnation).touch()
    for job in ("57", "61"):
        record_job(found, SubmittedJob(job_id=job, role="head", submitted_at=100.0))
    return found


class Clock:
    """Time that passes only by pausing."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now += seconds
        return False


def wait(run_dir: RunDir, clock: Clock, patience_s: float = 60) -> object:
    return HeadDiscovery(
        run_dir, b"key", WORKER, clock.pause, patience_s, clock=lambda: clock.now
    ).wait()


def test_a_current_address_is_not_stale(run_dir: RunDir) -> None:
    assert staleness(run_dir, ADDRESS) == ""


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (replace(ADDRESS, incarnation=1), "head incarnation 1, the newest is 2"),
        (replace(ADDRESS, job_id="57"), "head job 57, the newest is 61"),
    ],
)
def test_a_stale_address_is_refused_with_what_is_newer(
    run_dir: RunDir, address: Address, words: str
) -> None:
    assert words in staleness(run_dir, address)


def test_what_is_waited_for_is_said_once_and_pauses_grow_up_to_the_limit(
    run_dir: RunDir, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    with pytest.raises(EngineError, match=r"no head within 1m 00s; last: it publishes .*job 61"):
        wait(run_dir, clock)
    said = capfd.readouterr().out.splitlines()
    assert len(said) == 1
    assert "waiting for the head: it publishes" in said[0]
    assert clock.pauses[0] < 0.2
    assert 3 < clock.pauses[-1] <= 6
    assert len(clock.pauses) < 30


def test_a_head_that_does_not_answer_is_said_once_and_tried_less_and_less(
    run_dir: RunDir, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []
    clock = Clock()

    def join(*_: object) -> head_client.HeadClient:
        tried.append(clock.now)
        raise head_client.NobodyThere("nobody answers at 10.0.0.1:99 (nobody listens)")

    monkeypatch.setattr(head_client, "join", join)
    publish_address(run_dir, ADDRESS)
    with pytest.raises(EngineError, match="no head within 2m"):
        wait(run_dir, clock, patience_s=120)
    assert capfd.readouterr().out.count("nobody answers at 10.0.0.1:99") == 1
    assert 4 <= len(tried) <= 7
    assert tried[1] - tried[0] < tried[-1] - tried[-2]


def test_a_refused_connection_is_told_without_alarming_words(run_dir: RunDir) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    publish_address(run_dir, replace(ADDRESS, worker_port=port))
    with pytest.raises(EngineError, match=rf"127.0.0.1:{port} \(nobody listens\)"):
        wait(run_dir, Clock(), patience_s=1)


def test_a_cancelled_run_is_not_waited_for(run_dir: RunDir) -> None:
    run_dir.cancel.write_text("{}")
    with pytest.raises(NothingToJoin, match="cancelled"):
        wait(run_dir, Clock())


def test_a_run_that_has_ended_is_not_waited_for_unless_it_is_resumed(run_dir: RunDir) -> None:
    ended = {"e": "ended", "t": 200.0, "state": "failed", "why": ""}
    run_dir.journal_file(2).write_text('{"e":"opened"}\n' + json.dumps(ended) + "\n")
    with pytest.raises(NothingToJoin, match="the run is failed"):
        wait(run_dir, Clock())
    record_job(run_dir, SubmittedJob(job_id="70", role="head", submitted_at=300.0))
    assert how_it_ended(run_dir) == ""


def test_a_head_that_was_told_to_go_is_followed_by_another(run_dir: RunDir) -> None:
    run_dir.journal_file(2).write_text('{"e":"opened"}\n')  # it leaves without an end event
    assert how_it_ended(run_dir) == ""


def test_a_run_that_has_been_removed_is_not_waited_for(run_dir: RunDir) -> None:
    shutil.rmtree(run_dir.root)
    with pytest.raises(NothingToJoin, match="has been removed"):
        wait(run_dir, Clock())
