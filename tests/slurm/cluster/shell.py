"""Run commands and wait for conditions, with errors that name the command or condition."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class ClusterError(RuntimeError):
    """A command of the test cluster failed, or a condition did not come true in time."""


def run(argv: Sequence[str], *, check: bool = True, timeout_s: float = 60.0) -> str:
    """Run a command and return its stdout; the error shows argv, exit code and stderr."""
    done = subprocess.run(
        list(argv), capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise ClusterError(f"{' '.join(argv)} exited with {done.returncode}: {said}")
    return done.stdout


def wait_until(
    what: str, ready: Callable[[], bool], *, timeout_s: float, log: Path | None = None
) -> None:
    """Poll `ready` every 50 ms; after the deadline raise with the last lines of `log`."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {timeout_s:g} s{_tail(log)}")
        time.sleep(0.05)


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()[-8:]
    return f"; {log} ends with:\n" + "\n".join(f"  {line}" for line in lines)
