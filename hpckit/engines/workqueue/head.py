"""Work Queue on the head's side: a manager process, and the bundles in it."""

from __future__ import annotations

import json
import os
import random
import selectors
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from hpckit.common.scratch_dir import ScratchDir
from hpckit.engines.base import Lost, Returned, read_result
from hpckit.engines.workqueue import PASSWORD_FILE
from hpckit.engines.workqueue.binding import find_binding
from hpckit.errors import EngineError
from hpckit.model.plan import Plan
from hpckit.protocol.bundle import Bundle
from hpckit.run.rundir import RunDir

#: A worker that is cut off is noticed after two of these.
KEEPALIVE_S: Final = 10
_START_S: Final = 30.0
_READ_BYTES: Final = 1 << 20
#: Without a range of the site's, the search starts somewhere in here: Work Queue's own would
#: always give 1024, 1025 …, so that an old address would soon be that of another run.
_PORTS: Final = (20000, 60000)
_PORTS_TRIED: Final = 500


def binding_found() -> bool:
    """Return True if some Python here loads Work Queue's binding."""
    try:
        find_binding(os.environ)
    except EngineError:
        return False
    return True


class WorkQueueEngine:
    """Bundles through Work Queue."""

    def __init__(self, run_dir: RunDir, plan: Plan, host: str) -> None:
        self._run_dir = run_dir
        self._plan = plan
        self._log = run_dir.log_file("workqueue-manager")
        self._process: subprocess.Popen[bytes] | None = None
        self._node: ScratchDir | None = None
        self._commands = -1
        self._events = -1
        self._rest = b""
        self._there: set[str] = set()
        self._selector = selectors.DefaultSelector()

    def start(self) -> dict[str, Any]:
        """Start the manager; return its port.

        Raises:
            EngineError: the binding is not there, or no port is free.
        """
        self._node = ScratchDir(self._plan.node_tmp)
        try:
            self._start_process(self._node)
            return {"port": self._listening(self._node)}
        except BaseException:
            self.stop()
            raise

    def submit(self, bundle: Bundle) -> None:
        """Queue a bundle.

        Raises:
            EngineError: the manager has ended.
        """
        assert self._node
        file = self._node.path / f"{bundle.id}.bundle"
        file.write_text(bundle.to_json())
        settings = bundle.task_settings
        self._there.add(bundle.id)
        self._tell(
            {
                "submit": bundle.id,
                "file": str(file),
                "cores": settings.cores,
                "memory_mib": settings.memory_mib,
                "gpus": settings.gpus,
            }
        )

    def cancel(self, bundle: str) -> None:
        """Take a bundle back; its worker ends it.

        Raises:
            EngineError: the manager has ended.
        """
        if bundle in self._there:
            self._there.discard(bundle)
            self._tell({"cancel": bundle})

    def poll(self, timeout_s: float) -> list[Returned | Lost]:
        """Return what has come back.

        Raises:
            EngineError: the manager has ended.
        """
        events = (self._event(message) for message in self._read(timeout_s))
        return [event for event in events if event]

    def stop(self) -> None:
        """End the manager; its workers notice at once. Idempotent."""
        if self._events >= 0:
            self._selector.unregister(self._events)
        for handle in (self._commands, self._events):
            if handle >= 0:
                os.close(handle)
        self._commands = self._events = -1
        process, self._process = self._process, None
        if process:
            process.kill()  # it hears no other signal
            process.wait()
        if self._node:
            self._node.remove()
            self._node = None

    def _start_process(self, node: ScratchDir) -> None:
        binding = find_binding(os.environ)
        commands, self._commands = os.pipe()
        self._events, events = os.pipe()
        self._selector.register(self._events, selectors.EVENT_READ)
        self._run_dir.logs.mkdir(exist_ok=True)
        # The library takes its port range from the environment, and makes files in TMPDIR.
        env = {**os.environ, **dict(binding.env), "TMPDIR": str(node.path)}
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [*binding.argv, str(commands), str(events)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=env,
                    pass_fds=(commands, events),
                    start_new_session=True,
                )
        finally:
            os.close(commands)
            os.close(events)

    def _listening(self, node: ScratchDir) -> int:
        password = self._run_dir.secret(PASSWORD_FILE)
        if not password.is_file():
            raise EngineError(f"no password file {password}")
        settings = {
            "port": _port(self._plan.port_range),
            "password_file": str(password),
            "directory": str(node.path),
            "keepalive_s": KEEPALIVE_S,
        }
        self._tell({"start": settings})
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            for message in self._read(0.1):
                if "listening" in message:
                    return int(message["listening"])
                if "failed" in message:
                    raise EngineError(
                        f"Work Queue's manager did not start: {message['failed']}",
                        hint="Is there a free port in the site's port range?",
                    )
        raise EngineError(f"Work Queue's manager did not listen within {_START_S:.0f} s")

    def _event(self, message: dict[str, Any]) -> Returned | Lost | None:
        if "failed" in message:
            raise EngineError(f"Work Queue's manager failed: {message['failed']}")
        bundle = str(message.get("returned") or message.get("lost"))
        result = b""
        if "returned" in message:
            file = Path(message["file"])
            result = file.read_bytes()
            file.unlink(missing_ok=True)
        if bundle not in self._there:
            return None  # cancelled in the meantime
        self._there.discard(bundle)
        if "lost" in message:
            return Lost(bundle, str(message["why"]))
        return read_result(bundle, result)

    def _read(self, timeout_s: float) -> list[dict[str, Any]]:
        """Return the manager's next messages.

        Raises:
            EngineError: it has ended.
        """
        if not self._selector.select(timeout_s):
            return []
        data = os.read(self._events, _READ_BYTES)
        if not data:
            raise self._gone()
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _tell(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._commands, data) :]
        except OSError as error:
            raise self._gone() from error

    def _gone(self) -> EngineError:
        code = self._process.poll() if self._process else None
        return EngineError(
            f"Work Queue's manager has ended (exit code {code})",
            hint=f"Its log is {self._log}.",
        )


def _port(port_range: tuple[int, int]) -> int | list[int]:
    """Return the `port` argument of the manager: a number, or a range to search."""
    first, last = port_range
    if not last:
        first = random.randrange(_PORTS[0], _PORTS[1] - _PORTS_TRIED)
        last = first + _PORTS_TRIED
    return first if first == last else [first, last]
