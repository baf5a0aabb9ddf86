"""The record of started processes, by PID and start time: only these are ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """A process that we started; `start_ticks` distinguishes it from a later one with its PID."""

    name: str
    pid: int
    start_ticks: int

    def is_alive(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)  # ours, when a test session started it itself
        return start_ticks(self.pid) == self.start_ticks


def start_ticks(pid: int) -> int | None:
    """Return field 22 of /proc/PID/stat (proc(5)); None without such a process, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


class StartedProcesses:
    """The processes of one cluster, kept in a JSON file that is replaced atomically."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Process]:
        """Return all recorded processes, oldest first; none from before the last boot."""
        try:
            document = json.loads(self.path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return []
        if document["boot_id"] != BOOT_ID.read_text().strip():
            return []
        return [Process(**entry) for entry in document["processes"]]

    def find(self, name: str) -> Process | None:
        """Return the running process of that name, or None."""
        found = [p for p in self.read() if p.name == name and p.is_alive()]
        return found[-1] if found else None

    def start(
        self, name: str, argv: Sequence[str], *, log: Path, env: dict[str, str] | None = None
    ) -> Process:
        """Start a daemon in a session of its own and record it. Its output is appended to `log`."""
        with log.open("ab") as out:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        child.returncode = 0  # it outlives us: no "still running" warning when collected
        process = Process(name, child.pid, start_ticks(child.pid) or 0)
        self._write([*(p for p in self.read() if p.name != name), process])
        return process

    def end(self, name: str, *, grace_s: float = 5.0) -> bool:
        """End the recorded process: TERM, KILL after `grace_s`. Return False if it had ended."""
        process = self.find(name)
        if process is None:
            return False
        signal_process(process, signal.SIGTERM)
        if not wait_gone(process, grace_s):
            signal_process(process, signal.SIGKILL)
            wait_gone(process, 10.0)
        return True

    def _write(self, processes: list[Process]) -> None:
        document = {
            "boot_id": BOOT_ID.read_text().strip(),
            "processes": [asdict(p) for p in processes],
        }
        scratch = self.path.with_suffix(f".{os.getpid()}")
        scratch.write_text(json.dumps(document, indent=1))
        scratch.replace(self.path)


def signal_process(process: Process, number: signal.Signals) -> None:
    if process.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def wait_gone(process: Process, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while process.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
