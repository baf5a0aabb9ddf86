"""The head's side of the door: which workers are there, and which have gone.

Every worker keeps one connection for its life, the same way for every engine; the wire is in
`hpckit.node.door`. All is done in `poll`, in the order in which it arrives; but while the loop is
held up, by a file server that stalls, say, a thread goes on telling the workers that it lives.
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

from hpckit.errors import EngineError
from hpckit.head.pulse import STUCK_S
from hpckit.node import door as wire
from hpckit.spec.worker import WorkerInfo

HANDSHAKE_S: Final = 15.0
#: Connections that have proved nothing yet; further ones wait in the kernel. Far fewer than a
#: process may have files open (1024, often), as the head needs some for its journal.
MOST_STRANGERS: Final = 128
CROWDED_S: Final = 2.0  # how long one may say nothing while others wait; a worker tries again
_BACKLOG: Final = 512


@dataclass(frozen=True)
class Came:
    """A worker joined."""

    worker: WorkerInfo


@dataclass(frozen=True)
class Went:
    """A worker left, in order or not."""

    worker: str
    orderly: bool
    why: str


@dataclass(frozen=True)
class Began:
    """A worker's runner took up a bundle."""

    worker: str
    bundle: str


@dataclass(frozen=True)
class Drains:
    """A worker takes no new bundle and is about to leave."""

    worker: str
    why: str


DoorEvent = Came | Went | Began | Drains


@dataclass(eq=False)
class _Guest:
    """One connection; `worker` is None until the handshake is over."""

    stream: socket.socket
    came_at: float
    heard_at: float
    challenge: str = ""
    worker: WorkerInfo | None = None
    said: str = ""  # why it is leaving, once it has said so
    draining: bool = False
    gone: bool = False
    deaf: bool = False  # it does not read what it is told
    reader: wire.LineReader = field(default_factory=wire.LineReader)


class Door:
    """Accepts workers of one run at one port.

    Args:
        run: the run's name.
        nonce: this incarnation's.
        key: the run's door key.
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
        self._guests: dict[str, _Guest] = {}
        self._strangers: list[_Guest] = []  # the oldest first
        self._events: list[DoorEvent] = []
        self._beat_at = 0.0
        self._listener = _listen(ports)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._sending = threading.Lock()
        self._polled_at = time.monotonic()
        self._closed = threading.Event()
        threading.Thread(target=self._beat_in_its_stead, daemon=True).start()

    @property
    def port(self) -> int:
        """The port that was found."""
        return int(self._listener.getsockname()[1])

    @property
    def workers(self) -> dict[str, WorkerInfo]:
        """Who is there, by name."""
        return {name: guest.worker for name, guest in self._guests.items() if guest.worker}

    @property
    def strangers(self) -> int:
        """How many connections have not proved yet that they know the run's key."""
        return len(self._strangers)

    def drains(self, worker: str) -> bool:
        """Whether a worker has said that it is about to leave."""
        guest = self._guests.get(worker)
        return guest is not None and guest.draining

    def poll(self, timeout_s: float = 0.0) -> list[DoorEvent]:
        """Take what has arrived, waiting at most `timeout_s`; return what it means."""
        self._polled_at = time.monotonic()
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                self._accept()
            else:
                self._read(key.data)
        self._hurry_strangers()
        self._beat()
        events, self._events = self._events, []
        return events

    def say(self, message: wire.Message, worker: str = "") -> None:
        """Send `message` to one worker, or to all."""
        for name, guest in list(self._guests.items()):
            if not worker or name == worker:
                self._send(guest, message)

    def close(self) -> None:
        """Stop listening and drop every connection; idempotent."""
        self._closed.set()
        for key in list(self._selector.get_map().values()):
            with contextlib.suppress(OSError):
                key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()
        self._guests.clear()
        self._strangers.clear()

    def _accept(self) -> None:
        """Take all that wait and for which there is room."""
        with contextlib.suppress(OSError):
            while len(self._strangers) < MOST_STRANGERS:
                stream, _ = self._listener.accept()
                stream.setblocking(False)
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                now = self._clock()
                guest = _Guest(stream, came_at=now, heard_at=now)
                self._selector.register(stream, selectors.EVENT_READ, guest)
                self._strangers.append(guest)

    def _hurry_strangers(self) -> None:
        """Drop those that do not come to an end, silent ones sooner when others want to come in."""
        crowded = len(self._strangers) >= MOST_STRANGERS
        now = self._clock()
        for guest in list(self._strangers):
            limit_s = CROWDED_S if crowded and not guest.challenge else HANDSHAKE_S
            if now - guest.came_at > limit_s:
                self._drop(guest, f"it proved nothing within {limit_s:.0f} s")

    def _read(self, guest: _Guest) -> None:
        try:
            data = guest.stream.recv(wire.MAX_LINE_BYTES)
            messages = guest.reader.feed(data)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            self._drop(guest, f"its connection broke: {error}")
            return
        if not data:
            self._drop(guest, "its process ended without a word")
            return
        guest.heard_at = self._clock()
        for message in messages:
            if guest.gone:
                return
            self._take(guest, message)

    def _take(self, guest: _Guest, message: wire.Message) -> None:
        if guest.worker is not None:
            if "started" in message:
                self._events.append(Began(guest.worker.name, str(message["started"])))
            elif "draining" in message:
                guest.draining = True
                self._events.append(Drains(guest.worker.name, str(message["draining"])))
            elif "left" in message:
                guest.said = str(message["left"])
        elif not guest.challenge:
            self._greet(guest, message)
        else:
            self._admit(guest, message)

    def _greet(self, guest: _Guest, message: wire.Message) -> None:
        if message.get("hello") != wire.VERSION:
            self._refuse(guest, f"this head speaks version {wire.VERSION} of the door")
            return
        guest.challenge = wire.new_challenge()
        proof = wire.head_proof(self._key, str(message.get("challenge")), self._nonce)
        answer = {"run": self._run, "nonce": self._nonce, "proof": proof}
        self._send(guest, {**answer, "challenge": guest.challenge})

    def _admit(self, guest: _Guest, message: wire.Message) -> None:
        if not wire.proves(message.get("proof"), wire.worker_proof(self._key, guest.challenge)):
            self._refuse(guest, "it does not know the run's key")
            return
        try:
            worker = wire.read_worker(message.get("worker"))
        except ValueError as error:
            self._refuse(guest, f"it does not say who it is: {error}")
            return
        if worker.name in self._guests:  # the same worker again: its old connection is dead
            self._drop(self._guests[worker.name], "it joined anew")
        self._strangers.remove(guest)
        guest.worker = worker
        self._guests[worker.name] = guest
        self._events.append(Came(worker))
        self._send(guest, {"welcome": 1, "holds_lost": True})

    def _refuse(self, guest: _Guest, why: str) -> None:
        self._send(guest, {"refused": why})
        self._drop(guest, why)

    def _send(self, guest: _Guest, message: wire.Message) -> None:
        self._tell(guest, wire.encode(message))
        if guest.deaf:
            self._drop(guest, "it does not read what it is told")

    def _tell(self, guest: _Guest, line: bytes) -> None:
        """Send a line, from either thread; a guest that takes half of it is called deaf."""
        with contextlib.suppress(OSError), self._sending:  # a dead peer: `_beat` decides
            guest.deaf = guest.stream.send(line) != len(line) or guest.deaf

    def _beat(self) -> None:
        now = self._clock()
        if now - self._beat_at < wire.BEAT_S:
            return
        self._beat_at = now
        for guest in list(self._guests.values()):
            if now - guest.heard_at > wire.GONE_AFTER_S:
                self._drop(guest, f"nothing was heard of it for {wire.GONE_AFTER_S:.0f} s")
            else:
                self._send(guest, {"beat": time.time()})

    def _beat_in_its_stead(self) -> None:
        """Send beats while nobody polls, but no longer than a loop may be held up."""
        while not self._closed.wait(wire.BEAT_S):
            if not wire.BEAT_S < time.monotonic() - self._polled_at < STUCK_S:
                continue
            line = wire.encode({"beat": time.time()})
            for guest in list(self._guests.values()):
                self._tell(guest, line)

    def _drop(self, guest: _Guest, why: str) -> None:
        guest.gone = True
        if guest in self._strangers:
            self._strangers.remove(guest)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(guest.stream)
        guest.stream.close()
        if guest.worker and self._guests.get(guest.worker.name) is guest:
            del self._guests[guest.worker.name]
            self._events.append(Went(guest.worker.name, bool(guest.said), guest.said or why))


def _listen(ports: tuple[int, int]) -> socket.socket:
    first, last = ports
    for port in range(first, last + 1):
        try:
            return _bound(port)
        except OSError:
            continue
    raise EngineError(
        f"no free port for the head's door in {first}-{last} on this node",
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
