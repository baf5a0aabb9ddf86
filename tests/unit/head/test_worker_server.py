import socket
import threading
import time
from collections.abc import Iterator

import pytest

from hpckit.head.worker_server import (
    BundleStarted,
    WorkerDraining,
    WorkerEvent,
    WorkerJoined,
    WorkerLeft,
    WorkerServer,
)
from hpckit.model.worker import WorkerInfo
from hpckit.protocol import messages
from hpckit.run.address import Address
from hpckit.worker import head_client

KEY = b"secret"
DEADLINE_S = 10.0


clients: list[head_client.HeadClient] = []


@pytest.fixture(autouse=True)
def _hang_up() -> Iterator[None]:
    yield
    while clients:
        clients.pop().close()


@pytest.fixture
def server() -> Iterator[WorkerServer]:
    server = WorkerServer(run="r", nonce="n1", key=KEY)
    yield server
    server.close()


def address(server: WorkerServer, **changes: object) -> Address:
    base = {
        "run": "r", "backend": "pool", "incarnation": 1, "nonce": "n1", "job_id": "1",
        "node": "n", "pid": 1, "hosts": ("127.0.0.1",), "worker_port": server.port,
    }  # fmt: skip
    return Address(**{**base, **changes})  # type: ignore[arg-type]


def worker(name: str = "w1") -> WorkerInfo:
    return WorkerInfo(name=name, job_id="7", node="n1", pid=1, cores=2, memory_mib=100)


def events_until(server: WorkerServer, wanted: type[WorkerEvent]) -> list[WorkerEvent]:
    seen: list[WorkerEvent] = []
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        seen += server.poll(0.05)
        if any(isinstance(event, wanted) for event in seen):
            return seen
    raise AssertionError(f"no {wanted.__name__} within {DEADLINE_S} s; saw {seen}")


class Joining(threading.Thread):
    """A worker that joins from another thread, since the server answers in `poll`."""

    def __init__(self, address: Address, key: bytes = KEY, name: str = "w1") -> None:
        super().__init__(daemon=True)
        self._args = (address, key, worker(name))
        self.client: head_client.HeadClient | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.client = head_client.join(*self._args)
            clients.append(self.client)
        except Exception as error:
            self.error = error

    def served_by(self, server: WorkerServer) -> "Joining":
        deadline = time.monotonic() + DEADLINE_S
        while self.is_alive() and time.monotonic() < deadline:
            self.came = getattr(self, "came", [])
            self.came += server.poll(0.02)
        return self


def joined(server: WorkerServer, name: str = "w1") -> head_client.HeadClient:
    knock = Joining(address(server), name=name).served_by(server)
    assert knock.client is not None, knock.error
    return knock.client


def test_a_worker_that_proves_itself_is_welcome(server: WorkerServer) -> None:
    knock = Joining(address(server)).served_by(server)
    assert WorkerJoined(worker()) in knock.came
    assert set(server.workers) == {"w1"}


def test_a_worker_without_the_key_learns_that_this_is_not_its_head(
    server: WorkerServer,
) -> None:
    knock = Joining(address(server), key=b"other").served_by(server)
    assert isinstance(knock.error, head_client.NotOurHead)
    assert "does not know this run's key" in str(knock.error)
    assert not server.workers


def test_a_stranger_who_skips_the_proof_is_refused(server: WorkerServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as stream:
        stream.sendall(messages.encode({"hello": 1, "challenge": "c"}))
        stream.sendall(messages.encode({"proof": "guess", "worker": {}}))
        for _ in range(20):
            server.poll(0.05)
        assert b"refused" in stream.recv(4096)
        assert not server.workers


def test_a_worker_that_read_an_older_address_is_told_so(server: WorkerServer) -> None:
    knock = Joining(address(server, nonce="n0")).served_by(server)
    assert isinstance(knock.error, head_client.NotOurHead)
    assert "another head of this run" in str(knock.error)


def test_who_says_goodbye_leaves_in_order_and_who_vanishes_does_not(
    server: WorkerServer,
) -> None:
    polite, rude = joined(server, "polite"), joined(server, "rude")
    polite.send({"left": "its time is over"})
    polite.close()
    assert WorkerLeft("polite", True, "its time is over") in events_until(server, WorkerLeft)
    rude.close()
    gone = next(e for e in events_until(server, WorkerLeft) if isinstance(e, WorkerLeft))
    assert (gone.worker, gone.orderly) == ("rude", False)


def test_a_worker_that_drains_is_known_to_leave_and_its_work_is_held(
    server: WorkerServer,
) -> None:
    client = joined(server)
    assert client.holds_lost
    assert not server.drains("w1")
    client.send({"draining": "preempted"})
    assert WorkerDraining("w1", "preempted") in events_until(server, WorkerDraining)
    assert server.drains("w1")


def test_the_head_learns_which_bundle_a_worker_began(server: WorkerServer) -> None:
    joined(server).send({"started": "1-5"})
    assert BundleStarted("w1", "1-5") in events_until(server, BundleStarted)


def test_the_same_worker_joining_anew_replaces_its_dead_connection(
    server: WorkerServer,
) -> None:
    joined(server)
    second = joined(server)
    assert set(server.workers) == {"w1"}
    second.send({"started": "1-1"})
    assert BundleStarted("w1", "1-1") in events_until(server, BundleStarted)


def test_a_silent_worker_counts_as_lost() -> None:
    now = [0.0]
    server = WorkerServer(run="r", nonce="n1", key=KEY, clock=lambda: now[0])
    try:
        joined(server)
        now[0] += messages.GONE_AFTER_S + 1
        went = events_until(server, WorkerLeft)[-1]
        assert isinstance(went, WorkerLeft)
        assert "nothing was heard" in went.why
    finally:
        server.close()


def test_no_free_port_in_the_range_is_an_error_that_names_it(server: WorkerServer) -> None:
    from hpckit.errors import EngineError

    with pytest.raises(EngineError, match=f"no free port .* {server.port}-{server.port}"):
        WorkerServer(run="r", nonce="n", key=KEY, ports=(server.port, server.port))


def test_while_the_loop_is_held_up_workers_hear_that_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file server that stalls must not cost what runs everywhere."""
    monkeypatch.setattr("hpckit.head.worker_server.BEAT_S", 0.05)
    server = WorkerServer(run="r", nonce="n1", key=KEY)
    try:
        client = Joining(address(server)).served_by(server).client
        assert client is not None
        beats: list[object] = []
        deadline = time.monotonic() + DEADLINE_S
        while len(beats) < 5 and time.monotonic() < deadline:  # and nobody polls
            messages = client.receive()
            assert messages is not None
            beats += [message["beat"] for message in messages if "beat" in message]
            time.sleep(0.01)
        assert len(beats) >= 5
        monkeypatch.setattr(
            "hpckit.head.worker_server.LOOP_IS_STUCK_S", 0.0
        )  # held up for too long
        time.sleep(0.2)
        client.receive()
        time.sleep(0.2)
        assert client.receive() == []
    finally:
        server.close()
