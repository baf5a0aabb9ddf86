"""Bytes that anybody sends to the head's port cost that connection, and nothing else."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpckit.head import worker_server as head_door
from hpckit.head.worker_server import WorkerJoined, WorkerLeft, WorkerServer
from hpckit.protocol import authentication
from tests.unit.head.test_worker_server import KEY, Joining, address, events_until, joined, worker

DEADLINE_S = 10.0
LONE = "\ud800"  # half a character: JSON can say it, UTF-8 cannot


@pytest.fixture(scope="module")
def server() -> Iterator[WorkerServer]:
    server = WorkerServer(run="r", nonce="n1", key=KEY)
    yield server
    server.close()


@contextmanager
def stranger(server: WorkerServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as stream:
        yield stream


def tell(server: WorkerServer, data: bytes) -> bytes:
    """Send `data`, let the server read it, hang up; return what the server answered."""
    with stranger(server) as stream:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        stream.settimeout(0.0)
        answer = b""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            assert server.poll(0.01) == [], "a stranger is no worker"
            try:
                part = stream.recv(1 << 16)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                return answer
            if not part:
                return answer
            answer += part
    raise AssertionError("the server kept a connection that was over")


def line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


HELLO = line({"hello": 1, "challenge": "c"})


@pytest.mark.parametrize(
    "data",
    [
        line({"hello": 1, "challenge": LONE}),
        b'{"hello":1,"challenge":"\xed\xa0\x80"}\n',
        HELLO + line({"proof": LONE}),
        b"[" * 5000 + b"\n",
        b'{"hello":' + b"[" * 60_000 + b"\n",
        HELLO + b'{"proof":' + b'{"":' * 12_000 + b"\n",
        line({"hello": 1}),
        line({"hello": 1, "challenge": 7}),
        line({"hello": [1], "challenge": {}}),
        HELLO + line({"proof": 7, "worker": []}),
        HELLO + line({"proof": None}),
        b'{"hello":' + b"9" * 5000 + b"}\n",
        b"null\n7\n[]\n",
        b"\x00" * 64,
        b"\xff\xfe{\x00}\x00\n\x00",
        HELLO * 50,
        b"{}\n" * 20_000,
    ],
)
def test_a_line_from_a_stranger_only_costs_its_own_connection(
    server: WorkerServer, data: bytes
) -> None:
    tell(server, data)
    assert not server.workers
    assert server.unauthenticated == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(LONE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "hello": st.just(1) | json_values,
        "challenge": st.text() | json_values,
        "proof": st.text() | json_values,
        "worker": json_values,
        "started": json_values,
        "left": json_values,
    },
)
lines = st.one_of(st.binary(max_size=80), st.just(HELLO), messages.map(line), json_values.map(line))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(lines, max_size=6))
def test_no_bytes_whatever_get_a_stranger_in_or_the_head_out(
    server: WorkerServer, sent: list[bytes]
) -> None:
    tell(server, b"".join(sent))
    assert not server.workers
    assert server.unauthenticated == 0


def test_a_worker_joins_while_strangers_talk(server: WorkerServer) -> None:
    with stranger(server) as one, stranger(server) as another:
        one.sendall(line({"hello": 1, "challenge": LONE}))
        another.sendall(b"x" * 1000)
        knock = Joining(address(server)).served_by(server)
        assert WorkerJoined(worker()) in knock.came
    assert knock.client
    knock.client.close()
    events_until(server, WorkerLeft)


def test_an_endless_line_is_cut_off_before_it_takes_memory(server: WorkerServer) -> None:
    with stranger(server) as stream:
        stream.settimeout(0.05)
        sent = 0
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            server.poll(0.0)
            try:
                sent += stream.send(b"x" * (1 << 16))
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert not server.unauthenticated, f"still listening after {sent} bytes"


def crowded_door(now: list[float], monkeypatch: pytest.MonkeyPatch) -> WorkerServer:
    monkeypatch.setattr(head_door, "MAX_UNAUTHENTICATED", 8)
    return WorkerServer(run="r", nonce="n1", key=KEY, clock=lambda: now[0])


def settle(server: WorkerServer) -> None:
    for _ in range(20):
        server.poll(0.005)


def test_idle_connections_are_bounded_and_make_room_for_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    server = crowded_door(now, monkeypatch)
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    try:
        settle(server)
        assert server.unauthenticated == 8
        for _ in range(3):  # eight go at a time
            now[0] += head_door.SILENT_WHEN_CROWDED_S + 0.1
            settle(server)
        joined(server).close()
        assert set(server.workers) == {"w1"}
    finally:
        for stream in idle:
            stream.close()
        server.close()


def test_a_stranger_that_keeps_talking_does_not_stay_longer_than_one_that_is_silent() -> None:
    now = [0.0]
    server = WorkerServer(run="r", nonce="n1", key=KEY, clock=lambda: now[0])
    try:
        with stranger(server) as stream:
            for _ in range(int(head_door.HANDSHAKE_S) + 4):
                now[0] += 1.0
                try:
                    stream.sendall(b" ")
                except ConnectionError:
                    break
                server.poll(0.01)
            assert server.unauthenticated == 0
    finally:
        server.close()


def test_many_workers_that_knock_at_once_are_all_let_in_within_a_few_rounds(
    server: WorkerServer,
) -> None:
    streams = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        server.poll(0.05)
        assert server.unauthenticated == 40
    finally:
        for stream in streams:
            stream.close()
        settle(server)


def test_a_worker_whose_words_are_no_text_is_heard_all_the_same(
    server: WorkerServer,
) -> None:
    """A path that is no UTF-8 reaches a message as half characters; the journal takes none."""
    client = joined(server)
    client.send({"left": "no such file: /runs/caf\udce9"})
    client.close()
    gone = events_until(server, WorkerLeft)[-1]
    assert isinstance(gone, WorkerLeft)
    assert gone.why == "no such file: /runs/caf?"
    assert gone.orderly


@pytest.mark.parametrize(
    "said", [None, [], "w1", {}, {"name": 7}, {"name": []}, {"cores": True}, {"colour": "red"}]
)
def test_who_knows_the_key_but_does_not_say_who_it_is_is_refused(
    server: WorkerServer, said: object
) -> None:
    whole = {"name": "w1", "job_id": "7", "node": "n", "pid": 1, "cores": 1, "memory_mib": 1}
    about = {**whole, **said} if isinstance(said, dict) and said else said
    with stranger(server) as stream:
        stream.sendall(HELLO)
        settle(server)
        challenge = json.loads(stream.recv(4096))["challenge"]
        stream.sendall(
            line({"proof": authentication.worker_proof(KEY, challenge), "worker": about})
        )
        settle(server)
        assert b"does not say who it is" in stream.recv(4096)
    assert not server.workers
