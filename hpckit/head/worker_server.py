"""The server that workers join: which workers are there, and which have left.

Every worker keeps one connection for its life, in the same way for every engine; the messages
are in `hpckit.protocol.messages`. All is done in `poll`, in the order in which it arrives; but
while the loop is held up, by a file server that stalls, say, a thread goes on telling the workers
that it lives.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hpckit.common.limits import LOOP_IS_STUCK_S
from hpckit.errors import EngineError
from hpckit.model.worker import WorkerInfo
from hpckit.protocol.authentication import head_proof, new_challenge, proves, worker_proof
from hpckit.protocol.messages import (
    BEAT_S,
    GONE_AFTER_S,
    MAX_LINE_BYTES,
    VERSION,
    LineReader,
    Message,
    encode,
    read_worker,
)

HANDSHAKE_S: Final = 15.0
#: Connections that have not proved themselves yet; further ones wait in the kernel. Far fewer than
#: a process may have files open (1024, often), as the head needs some for its journal.
MAX_UNAUTHENTICATED: Final = 128
SILENT_WHEN_CROWDED_S: Final = (
    2.0  # how long one may say nothing while others wait; a worker tries again
)
_BACKLOG: Final = 512


@dataclass(frozen=True)
class WorkerJoined:
    """A worker joined."""

    worker: WorkerInfo


@dataclass(frozen=True)
class WorkerLeft:
    """A worker left, in order or not."""

    worker: str
    orderly: bool
    why: str


@dataclass(frozen=True)
class BundleStarted:
    """A worker's runner took up a bundle."""

    worker: str
    bundle: str


@dataclass(frozen=True)
class WorkerDraining:
    """A worker takes no new bundle and is about to leave."""

    worker: str
    why: str


WorkerEvent = WorkerJoined | WorkerLeft | BundleStarted | WorkerDraining


@dataclass(eq=False)
class _Connection:
    """One connection; `worker` is None until the handshake is over."""

    stream: socket.socket
    connected_at: float
    last_heard_at: float
    challenge: str = ""
    worker: WorkerInfo | None = None
    said: str = ""  # why it is leaving, once it has said so
    draining: bool = False
    gone: bool = False
    not_reading: bool = False  # it does not read what it is told
    reader: LineReader = field(default_factory=LineReader)


class WorkerServer:
    """Accepts workers of one run at one port.

    Args:
        run: the run's name.
        nonce: this incarnation's.
        key: the run's key.
        ports: inclusive range to listen in; (0, 0) takes any free port.
    """

    def __init__(
        self,
        *,
        run: str,
        nonce: str,
        key: bytes,
        ports: tuple[int, int] = (0, 0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._nonce, self._key, self._clock = run, nonce, key, clock
        self._selector = selectors.DefaultSelector()
        self._connections: dict[str, _Connection] = {}
        self._unauthenticated: list[_Connection] = []  # the oldest first
        self._events: list[WorkerEvent] = []
        self._beat_at = 0.0
        self._listener = _listen(ports)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._sending = threading.Lock()
        self._polled_at = time.monotonic()
        self._closed = threading.Event()
        threading.Thread(target=self._beat_while_not_polled, daemon=True).start()

    @property
    def port(self) -> int:
        """The port that was found."""
        return int(self._listener.getsockname()[1])

    @property
    def workers(self) -> dict[str, WorkerInfo]:
        """The workers that have joined, by name."""
        return {
            name: connection.worker
            for name, connection in self._connections.items()
            if connection.worker
        }

    @property
    def unauthenticated(self) -> int:
        """Number of connections that have not proved yet that they know the run's key."""
        return len(self._unauthenticated)

    def drains(self, worker: str) -> bool:
        """Return True if a worker has said that it is about to leave."""
        connection = self._connections.get(worker)
        return connection is not None and connection.draining

    def poll(self, timeout_s: float = 0.0) -> list[WorkerEvent]:
        """Take what has arrived, waiting at most `timeout_s`; return what it means."""
        self._polled_at = time.monotonic()
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                self._accept()
            else:
                self._read(key.data)
        self._drop_slow_unauthenticated()
        self._beat()
        events, self._events = self._events, []
        return events

    def say(self, message: Message, worker: str = "") -> None:
        """Send `message` to one worker, or to all."""
        for name, connection in list(self._connections.items()):
            if not worker or name == worker:
                self._send(connection, message)

    def close(self) -> None:
        """Stop listening and drop every connection; idempotent."""
        self._closed.set()
        for key in list(self._selector.get_map().values()):
            with contextlib.suppress(OSError):
                key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()
        self._connections.clear()
        self._unauthenticated.clear()

    def _accept(self) -> None:
        """Take all that wait and for which there is room."""
        with contextlib.suppress(OSError):
            while len(self._unauthenticated) < MAX_UNAUTHENTICATED:
                stream, _ = self._listener.accept()
                stream.setblocking(False)
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                now = self._clock()
                connection = _Connection(stream, connected_at=now, last_heard_at=now)
                self._selector.register(stream, selectors.EVENT_READ, connection)
                self._unauthenticated.append(connection)

    def _drop_slow_unauthenticated(self) -> None:
        """Drop connections that take too long to prove themselves, silent ones sooner when others
        wait."""
        crowded = len(self._unauthenticated) >= MAX_UNAUTHENTICATED
        now = self._clock()
        for connection in list(self._unauthenticated):
            limit_s = SILENT_WHEN_CROWDED_S if crowded and not connection.challenge else HANDSHAKE_S
            if now - connection.connected_at > limit_s:
                self._drop(connection, f"it proved nothing within {limit_s:.0f} s")

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.stream.recv(MAX_LINE_BYTES)
            messages = connection.reader.feed(data)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            self._drop(connection, f"its connection broke: {error}")
            return
        if not data:
            self._drop(connection, "its process ended without a word")
            return
        connection.last_heard_at = self._clock()
        for message in messages:
            if connection.gone:
                return
            self._take(connection, message)

    def _take(self, connection: _Connection, message: Message) -> None:
        if connection.worker is not None:
            if "started" in message:
                self._events.append(BundleStarted(connection.worker.name, str(message["started"])))
            elif "draining" in message:
                connection.draining = True
                self._events.append(
                    WorkerDraining(connection.worker.name, str(message["draining"]))
                )
            elif "left" in message:
                connection.said = str(message["left"])
        elif not connection.challenge:
            self._greet(connection, message)
        else:
            self._admit(connection, message)

    def _greet(self, connection: _Connection, message: Message) -> None:
        if message.get("hello") != VERSION:
            self._refuse(connection, f"this head speaks version {VERSION} of the protocol")
            return
        connection.challenge = new_challenge()
        proof = head_proof(self._key, str(message.get("challenge")), self._nonce)
        answer = {"run": self._run, "nonce": self._nonce, "proof": proof}
        self._send(connection, {**answer, "challenge": connection.challenge})

    def _admit(self, connection: _Connection, message: Message) -> None:
        if not proves(message.get("proof"), worker_proof(self._key, connection.challenge)):
            self._refuse(connection, "it does not know the run's key")
            return
        try:
            worker = read_worker(message.get("worker"))
        except ValueError as error:
            self._refuse(connection, f"it does not say who it is: {error}")
            return
        if worker.name in self._connections:  # the same worker again: its old connection is dead
            self._drop(self._connections[worker.name], "it joined anew")
        self._unauthenticated.remove(connection)
        connection.worker = worker
        self._connections[worker.name] = connection
        self._events.append(WorkerJoined(worker))
        self._send(connection, {"welcome": 1, "holds_lost": True})

    def _refuse(self, connection: _Connection, why: str) -> None:
        self._send(connection, {"refused": why})
        self._drop(connection, why)

    def _send(self, connection: _Connection, message: Message) -> None:
        self._tell(connection, encode(message))
        if connection.not_reading:
            self._drop(connection, "it does not read what it is told")

    def _tell(self, connection: _Connection, line: bytes) -> None:
        """Send a line, from either thread; one that takes only a part does not read."""
        with contextlib.suppress(OSError), self._sending:  # a dead peer: `_beat` decides
            connection.not_reading = (
                connection.stream.send(line) != len(line) or connection.not_reading
            )

    def _beat(self) -> None:
        now = self._clock()
        if now - self._beat_at < BEAT_S:
            return
        self._beat_at = now
        for connection in list(self._connections.values()):
            if now - connection.last_heard_at > GONE_AFTER_S:
                self._drop(connection, f"nothing was heard of it for {GONE_AFTER_S:.0f} s")
            else:
                self._send(connection, {"beat": time.time()})

    def _beat_while_not_polled(self) -> None:
        """Send beats while nobody polls, but no longer than a loop may be held up."""
        while not self._closed.wait(BEAT_S):
            if not BEAT_S < time.monotonic() - self._polled_at < LOOP_IS_STUCK_S:
                continue
            line = encode({"beat": time.time()})
            for connection in list(self._connections.values()):
                self._tell(connection, line)

    def _drop(self, connection: _Connection, why: str) -> None:
        connection.gone = True
        if connection in self._unauthenticated:
            self._unauthenticated.remove(connection)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.stream)
        connection.stream.close()
        if connection.worker and self._connections.get(connection.worker.name) is connection:
            del self._connections[connection.worker.name]
            self._events.append(
                WorkerLeft(connection.worker.name, bool(connection.said), connection.said or why)
            )


def _listen(ports: tuple[int, int]) -> socket.socket:
    first, last = ports
    for port in range(first, last + 1):
        try:
            return _bound(port)
        except OSError:
            continue
    raise EngineError(
        f"no free port for the head's workers in {first}-{last} on this node",
        hint="Widen the site's port range.",
    )


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("", port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
