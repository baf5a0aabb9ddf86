"""The handshake, spoken over a real socket with a head of a few lines."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpckit.model.worker import WorkerInfo
from hpckit.protocol import authentication, messages
from hpckit.run.address import Address
from hpckit.worker import head_client

KEY = b"not a secret"
WORKER = WorkerInfo(name="7-n1", job_id="7", node="n1", pid=1, cores=1, memory_mib=100)


def head(stream: socket.socket, *, key: bytes = KEY, nonce: str = "n", last: bytes = b"") -> None:
    lines = stream.makefile("rb")
    hello = messages.decode(lines.readline())
    proof = authentication.head_proof(key, hello["challenge"], nonce)
    answer = {"run": "r", "nonce": nonce, "proof": proof, "challenge": "c2"}
    stream.sendall(messages.encode(answer))
    reply = lines.readline()
    if reply:
        assert authentication.proves(
            messages.decode(reply)["proof"], authentication.worker_proof(KEY, "c2")
        )
        stream.sendall(last)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            stream, _ = server.accept()
            with stream:
                serve(stream)

        thread = threading.Thread(target=run)
        thread.start()
        port = server.getsockname()[1]
        yield Address(run="r", backend="pool", incarnation=1, nonce="n", job_id="1", node="h",
                      pid=1, hosts=("127.0.0.1",), worker_port=port)  # fmt: skip
        thread.join()


def test_a_worker_is_welcomed_and_loses_nothing_said_with_the_welcome() -> None:
    last = messages.encode({"welcome": 1}) + messages.encode({"stop": "all done"})
    with listening(lambda stream: head(stream, last=last)) as address:
        client = head_client.join(address, KEY, WORKER)
        assert client.receive() == [{"stop": "all done"}]
        client.close()


def test_a_refusal_is_told_in_the_heads_words() -> None:
    last = messages.encode({"refused": "cancelled"})
    with (
        listening(lambda stream: head(stream, last=last)) as address,
        pytest.raises(head_client.Refused, match="cancelled"),
    ):
        head_client.join(address, KEY, WORKER)


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (lambda stream: head(stream, key=b"other"), "does not know this run's key"),
        (lambda stream: head(stream, nonce="older"), "another head of this run"),
        (lambda stream: stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak"),
        (lambda stream: stream.recv(10), "closed the connection"),
        (lambda stream: stream.sendall(b"[" * 5000 + b"\n"), "does not speak"),
        (lambda stream: stream.sendall(b'{"nonce":"\\ud800"}\n'), "does not speak"),
        (lambda stream: stream.sendall(b'{"proof":7,"nonce":[]}\n'), "does not know this"),
        (lambda stream: stream.sendall(b"x" * 70_000), "does not speak"),
    ],
)  # fmt: skip
def test_a_port_that_somebody_else_has_is_named_and_not_joined(serve: object, words: str) -> None:
    with (
        listening(serve) as address,  # type: ignore[arg-type]
        pytest.raises(head_client.NotOurHead, match=words),
    ):
        head_client.join(address, KEY, WORKER)


def test_where_nobody_listens_the_addresses_tried_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = Address(run="r", backend="pool", incarnation=1, nonce="n", job_id="1", node="h",
                      pid=1, hosts=("127.0.0.1", "127.0.0.2"), worker_port=port)  # fmt: skip
    with pytest.raises(head_client.NobodyThere, match=rf"127.0.0.1:{port}.*127.0.0.2:{port}"):
        head_client.join(address, KEY, WORKER)


def test_lines_are_cut_wherever_the_network_cuts_them() -> None:
    reader = messages.LineReader()
    wire = messages.encode({"beat": 1}) + messages.encode({"stop": "é"})
    heard = [m for i in range(len(wire)) for m in reader.feed(wire[i : i + 1])]
    assert heard == [{"beat": 1}, {"stop": "é"}]


def test_an_endless_line_is_refused() -> None:
    reader = messages.LineReader()
    with pytest.raises(ValueError, match="more than"):
        reader.feed(b"x" * (messages.MAX_LINE_BYTES + 1))


anything = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(
        st.sampled_from(["run", "nonce", "proof", "challenge", "welcome", "refused"]),
        st.none() | st.integers() | st.text() | st.just("\ud800") | st.lists(st.floats()),
    ).map(lambda message: json.dumps(message).encode() + b"\n"),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(anything, max_size=4))
def test_whatever_answers_instead_of_the_head_is_not_joined(said: list[bytes]) -> None:
    def serve(stream: socket.socket) -> None:
        with suppress(OSError):  # the worker has hung up on it
            stream.sendall(b"".join(said))

    with listening(serve) as address, pytest.raises(head_client.JoinError):
        head_client.join(address, KEY, WORKER)


def test_one_that_talks_without_an_answer_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(head_client, "ANSWER_S", 0.3)

    def chatter(stream: socket.socket) -> None:
        with suppress(OSError):
            while True:
                stream.sendall(b"\n" * 100)

    begun = time.monotonic()
    with (
        listening(chatter) as address,
        pytest.raises(head_client.NotOurHead, match="does not answer"),
    ):
        head_client.join(address, KEY, WORKER)
    assert time.monotonic() - begun < 60  # generous: other tests may run at the same time


@pytest.mark.parametrize("bad", [b'{"t":NaN}', b'{"t":1e999}', b'{"t":"\\udfff"}', b"[1]", b"7"])
def test_what_could_not_be_stored_is_no_message(bad: bytes) -> None:
    with pytest.raises(ValueError):
        messages.decode(bad)


def test_what_is_encoded_can_be_decoded_whatever_a_path_holds() -> None:
    assert messages.decode(messages.encode({"left": "caf\udce9 é"})) == {"left": "caf? é"}
