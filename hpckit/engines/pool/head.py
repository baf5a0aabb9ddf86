"""The pool: processes on the head's own machine, the floor to measure engines against.

One worker agent (`hpckit.worker.main`) is started as a child. It joins the head as any
worker does; bundles go straight to its runner's socket, as many at a time as it has slots and
memory for, in the order in which they came.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import time
from collections import deque
from typing import Any, Final

from hpckit.common.log import say
from hpckit.common.processes import (
    TASK_TOKEN,
    descendants_of,
    find_by_variable,
    kill_all,
    python_module,
    stop_child,
)
from hpckit.common.restart_policy import RestartPolicy
from hpckit.common.scratch_dir import ScratchDir
from hpckit.common.slurm_env import worker_name
from hpckit.engines.base import Lost, Returned, read_result
from hpckit.errors import EngineError
from hpckit.model.plan import Plan
from hpckit.protocol.bundle import Bundle
from hpckit.run.rundir import RunDir

_START_S: Final = 30.0
_STOP_S: Final = 8.0
_DYING_S: Final = 0.5
_ROUNDS: Final = 5  # of ending what an agent has left, each of a second at most
_MAX_RESTARTS: Final = 3
_READ_BYTES: Final = 1 << 20


class _Call:
    """One bundle on its way through the runner."""

    def __init__(self, bundle: Bundle, stream: socket.socket) -> None:
        self.bundle = bundle
        self.stream = stream
        self.parts: list[bytes] = []


class PoolEngine:
    """Bundles on this machine."""

    def __init__(self, run_dir: RunDir, plan: Plan, host: str) -> None:
        self._run_dir = run_dir
        self._plan = plan
        self._waiting: deque[Bundle] = deque()
        self._calls: dict[str, _Call] = {}
        self._selector = selectors.DefaultSelector()
        self._agent: subprocess.Popen[bytes] | None = None
        self._node: ScratchDir | None = None
        self._starts = 0
        self._name = ""  # of the agent, and no other's: its tasks' tokens begin with it
        self._restarts = RestartPolicy(_MAX_RESTARTS)

    def start(self) -> dict[str, Any]:
        """Start the agent.

        Raises:
            EngineError: it does not come up.
        """
        self._node = ScratchDir(self._plan.node_tmp)
        self._start_agent()
        return {}

    def submit(self, bundle: Bundle) -> None:
        """Queue a bundle for the next free slot."""
        self._waiting.append(bundle)
        self._hand_out()

    def cancel(self, bundle: str) -> None:
        """Forget a bundle; closing its connection ends it."""
        call = self._calls.pop(bundle, None)
        if call:
            self._close(call)
        self._waiting = deque(item for item in self._waiting if item.id != bundle)

    def poll(self, timeout_s: float) -> list[Returned | Lost]:
        """Return what has come back.

        Raises:
            EngineError: the agent does not stay up.
        """
        self._watch_agent()
        self._hand_out()
        events: list[Returned | Lost] = []
        if not self._calls:
            time.sleep(timeout_s)
            return events
        for key, _ in self._selector.select(timeout_s):
            event = self._read(key.data)
            if event:
                events.append(event)
        self._hand_out()
        return events

    def stop(self) -> None:
        """End the agent with all that it runs; idempotent."""
        for call in list(self._calls.values()):
            self._close(call)
        self._calls.clear()
        self._waiting.clear()
        self._stop_agent()
        if self._node:
            self._node.remove()
            self._node = None

    def _start_agent(self) -> None:
        assert self._node
        self._starts += 1
        path = self._node.path / f"{self._starts}.sock"
        self._run_dir.logs.mkdir(exist_ok=True)
        name = f"{worker_name(os.environ, os.getpid())}.{os.getpid()}.{self._starts}"
        self._name = name
        argv = [*python_module("hpckit.worker"), str(self._run_dir.root), "--once"]
        argv += ["--socket", str(path), "--name", name]
        with self._run_dir.log_file(name).open("ab") as log:
            self._agent = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while not _listens(str(path)):
            if self._agent.poll() is not None or time.monotonic() > deadline:
                self._stop_agent()
                raise EngineError(f"the pool's agent did not start; see {log.name}")
            time.sleep(0.02)
        self._socket = str(path)

    def _watch_agent(self) -> None:
        if self._agent is None or self._agent.poll() is None:
            return
        if not self._agent.returncode and not self._waiting and not self._calls:
            return  # it left in order, and nobody needs another
        if not self._restarts.may_restart():
            raise EngineError(
                f"the pool's worker ended {self._restarts.in_a_row} times in a row without a "
                f"result, last with exit code {self._agent.returncode}",
                hint=f"Its log is in {self._run_dir.logs}.",
            )
        self._stop_agent()  # it has ended, but what it ran may not, and would run twice
        self._start_agent()

    def _stop_agent(self) -> None:
        agent, self._agent = self._agent, None
        if agent:
            stop_child(agent, descendants_of(agent.pid), leave_s=_STOP_S, rest_s=0.2)
            self._end_what_it_left()

    def _end_what_it_left(self) -> None:
        """End the tasks of an agent that was killed, with all that they have started."""
        left = kill_all(lambda: _left_by(self._name), rounds=_ROUNDS)
        if left:
            say(f"could not end processes {left} of the pool's agent {self._name}")

    def _hand_out(self) -> None:
        while self._waiting and self._has_room(self._waiting[0]) and self._agent:
            bundle = self._waiting.popleft()
            stream = socket.socket(socket.AF_UNIX)
            call = _Call(bundle, stream)
            try:
                stream.connect(self._socket)
                stream.sendall(bundle.to_json().encode() + b"\n")
            except OSError:  # the agent has ended, which the next poll notices
                stream.close()
                self._waiting.appendleft(bundle)
                return
            self._calls[bundle.id] = call
            self._selector.register(stream, selectors.EVENT_READ, call)

    def _has_room(self, bundle: Bundle) -> bool:
        """Return whether a slot is free, and the memory that a bundle asks for: its tasks may have
        grown since the slots were counted. One bundle may always run."""
        if not self._calls:
            return True
        asked = [call.bundle.task_settings.memory_mib for call in self._calls.values()]
        memory_mib = sum(asked) + bundle.task_settings.memory_mib
        return len(asked) < self._plan.slots and memory_mib <= self._plan.worker.memory_mib

    def _read(self, call: _Call) -> Returned | Lost | None:
        part = b""
        with contextlib.suppress(ConnectionError):
            part = call.stream.recv(_READ_BYTES)
        call.parts.append(part)
        if part and not part.endswith(b"\n"):
            return None
        self._close(call)
        self._calls.pop(call.bundle.id, None)
        if not part:
            self._let_agent_end()
            return Lost(call.bundle.id, "the pool's agent has ended")
        event = read_result(call.bundle.id, b"".join(call.parts))
        if isinstance(event, Returned):
            self._restarts.succeeded()
        return event

    def _let_agent_end(self) -> None:
        """Wait for the end of an agent that has hung up: until then its socket takes further
        bundles, and they would be lost as well."""
        if self._agent:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._agent.wait(_DYING_S)

    def _close(self, call: _Call) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(call.stream)
        call.stream.close()


def _left_by(worker: str) -> list[int]:
    """Return every process that has the token of a task or slot of this worker in the environment
    it was started with, and their descendants, which may have dropped theirs."""
    found = find_by_variable(TASK_TOKEN, f"{worker}/", whole=False)
    return list(dict.fromkeys([*found, *(below for pid in found for below in descendants_of(pid))]))


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
