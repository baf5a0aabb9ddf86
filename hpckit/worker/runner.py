"""The resident runner: takes bundles at a Unix socket and runs them in its slots.

A client connects, sends one bundle (a line, ``hpckit.bundle/1``) and gets one result (a
line, ``hpckit.result/1``). Closing the connection early gives the bundle up.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hpckit.common.log import ChangeReporter, say
from hpckit.errors import EngineError
from hpckit.protocol.bundle import Bundle
from hpckit.run.spool import SpoolWriter
from hpckit.worker.cancellation import Cancellation, SlurmWarning, StopFlag
from hpckit.worker.slot import Slot, refuse, run_bundle
from hpckit.worker.task.classify_exit import OomKills
from hpckit.worker.task.environment import SlotResources, public_environment, visible_gpus
from hpckit.worker.task.orphans import Orphans
from hpckit.worker.task.process import WorkerShared
from hpckit.worker.task.python_client import WarmInterpreter
from hpckit.worker.time_left import TimeLeft

SOCKET_PATH_BYTES: Final = 100  # sun_path holds 108
_HELLO_S: Final = 10.0  # a client sends its bundle at once
_SEND_S: Final = 60.0
_REFUSAL_S: Final = 0.3  # an idle worker that refuses all would otherwise be asked again at once
_SYNC_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class RunnerSettings:
    """The settings from which a runner is made."""

    worker: str  # the worker's name
    socket: Path
    temporary: Path  # private directory on this node
    spool: Path
    slots: int
    gpus: int
    python: str  # the interpreter of function tasks
    env: Mapping[str, str]


@dataclass
class ResidentRunner:
    """Slots behind a socket. `start` it from any thread, `close` it once."""

    settings: RunnerSettings
    time_left: TimeLeft
    warning: SlurmWarning
    on_start: Callable[[str], None] = lambda bundle: None  # called from slot threads
    outlives_client: Callable[[], bool] = lambda: False
    over: StopFlag = field(default_factory=StopFlag)
    orphans: Orphans = field(default_factory=Orphans)

    def __post_init__(self) -> None:
        self._waiting: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()
        self._server = socket.socket(socket.AF_UNIX)
        self._running: list[str] = []  # the bundles, by id
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._troubles = ChangeReporter()
        self.spool = SpoolWriter(self.settings.spool)

    @property
    def busy(self) -> int:
        """Number of bundles that are running."""
        return len(self._running)

    @property
    def running(self) -> list[str]:
        """The bundles that are running, by id: each from before `on_start` is called for it."""
        with self._lock:
            return list(self._running)

    def start(self) -> None:
        """Listen, and start the slots.

        Raises:
            EngineError: the socket cannot be made.
        """
        path = str(self.settings.socket)
        if len(path.encode()) > SOCKET_PATH_BYTES:
            raise EngineError(
                f"the runner's socket would be {path}, which is too long for a Unix socket",
                hint="Set the site's node_tmp to a shorter node-local directory, such as /tmp.",
            )
        try:
            self._server.bind(path)
            self._server.listen(1024)
        except OSError as error:
            raise EngineError(f"cannot listen at {path}: {error.strerror}") from error
        shared = WorkerShared(self.orphans, self.warning, OomKills())
        slots = [self._slot(number, shared) for number in range(self.settings.slots)]
        self._threads = [
            threading.Thread(target=self._accept, daemon=True),
            threading.Thread(target=self._keep_synced, daemon=True),
            *(threading.Thread(target=self._serve_slot, args=(s,), daemon=True) for s in slots),
        ]
        for thread in self._threads:
            thread.start()

    def end_running(self, reason: str) -> None:
        """End the running tasks as lost; their bundles go back."""
        self.time_left.drain(reason)
        self.over.raise_(reason)

    def wait_idle(self, limit_s: float) -> bool:
        """Wait until no bundle is running; return whether that came to be."""
        deadline = time.monotonic() + limit_s
        while self.busy and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.busy

    def close(self) -> None:
        """End what runs, stop listening, end what tasks have left, flush the spool."""
        self.end_running("the worker leaves")
        self._closing.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for _ in range(self.settings.slots):
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(10)
        self.orphans.end_all()
        self.spool.sync()
        self.spool.close()

    def _slot(self, number: int, shared: WorkerShared) -> Slot:
        base = public_environment(self.settings.env)
        gpus = visible_gpus(base, self.settings.gpus)
        context = SlotResources(number, self.settings.temporary, base, gpus)
        interpreter = WarmInterpreter(self.settings.python, f"{self.settings.worker}/{number}")
        worker = self.settings.worker
        return Slot(worker, context, shared, self.time_left, self.spool, interpreter)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                stream, _ = self._server.accept()
            except OSError:
                if self._closing.wait(0.1):
                    return
                continue
            self._waiting.put(stream)

    def _keep_synced(self) -> None:
        while not self._closing.wait(_SYNC_S):
            self.spool.sync()
            self.orphans.reap_dead()

    def _serve_slot(self, slot: Slot) -> None:
        while (stream := self._waiting.get()) is not None:
            try:
                with stream:
                    self._serve(stream, slot)
                self._pause_if_due(slot)
            except Exception as error:  # the slot has to live on, whatever a client sends
                say(f"a bundle could not be taken or given back: {error!r}")
        slot.interpreter.close()

    def _serve(self, stream: socket.socket, slot: Slot) -> None:
        stream.settimeout(_HELLO_S)
        line = _read_line(stream)
        if not line:
            return  # the client has hung up while it waited for a slot
        stream.settimeout(
            None
        )  # `Cancellation` asks with MSG_DONTWAIT, which a time limit would undo
        bundle = Bundle.from_json(line)
        if reason := self.time_left.refusal(bundle.expected_s, len(bundle.tasks)):
            self._closing.wait(_REFUSAL_S)
            self._answer(stream, refuse(bundle, slot.worker, reason).to_json())
            return
        with self._lock:
            self._running.append(bundle.id)
        try:
            self.spool.started(bundle.id)
            self.on_start(bundle.id)
            cancellation = Cancellation(stream, self.over, self.outlives_client)
            result = run_bundle(bundle, slot, cancellation)
            for done in result.results:
                if done.ok:
                    self.time_left.observe(done.wall_s)
            if not cancellation.abandoned:
                self._answer(stream, result.to_json())
        finally:
            with self._lock:
                self._running.remove(bundle.id)

    def _pause_if_due(self, slot: Slot) -> None:
        """Let a slot rest whose node could not start a task; not while what waits for it has to
        be refused."""
        pause_s = slot.pauses.take()
        if not pause_s:
            return
        self._troubles.say(f"{slot.pauses.why}; its slots pause before they try again")
        deadline = time.monotonic() + pause_s
        while (left_s := deadline - time.monotonic()) > 0 and not self.time_left.draining:
            self._closing.wait(min(left_s, _REFUSAL_S))

    def _answer(self, stream: socket.socket, text: str) -> None:
        stream.settimeout(_SEND_S)
        with contextlib.suppress(ConnectionError):  # it has hung up just now
            stream.sendall(text.encode() + b"\n")


def _read_line(stream: socket.socket) -> bytes:
    parts: list[bytes] = []
    while True:
        part = stream.recv(1 << 20)
        parts.append(part)
        if not part or part.endswith(b"\n"):
            return b"".join(parts)
