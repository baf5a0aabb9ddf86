"""Classify the result of a task from how its process ended."""

from __future__ import annotations

import re
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpckit.common.processes import signal_name
from hpckit.model.failure_kind import FailureKind
from hpckit.model.task import Task, TaskSettings
from hpckit.protocol.result import OK, TaskResult
from hpckit.worker.cancellation import SlurmWarning

_OUT_OF_MEMORY = re.compile(r"(?m)^(MemoryError\b|.*\bstd::bad_alloc\b)")
#: Between the moments at which the processes of a job hear one signal of Slurm's.
WARNING_ARRIVES_S = 0.5


@dataclass(frozen=True, kw_only=True)
class ProcessEnd:
    """The end of a task's process."""

    cancellation: str  # "" if by itself; `FailureKind` TIMEOUT, MEMORY, or why it was cut short
    exit_code: int | None
    signal: int | None
    started_at: float  # Unix time
    wall_s: float
    stderr: str

    @classmethod
    def of(
        cls, code: int | None, cancellation: str, started_at: float, wall_s: float, stderr: str
    ) -> ProcessEnd:
        """Return the ending with this `code`, as `subprocess` gives it: negative for a signal."""
        return cls(
            cancellation=cancellation,
            exit_code=code if code is None or code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            started_at=started_at,
            wall_s=wall_s,
            stderr=stderr,
        )

    @property
    def ended_at(self) -> float:
        """When it ended, Unix time."""
        return self.started_at + self.wall_s

    def result(self, task: Task, attempt: int, **rest: Any) -> TaskResult:
        """Return the result of an attempt that ended so; `rest` is what else there is to say."""
        return TaskResult(
            index=task.index,
            attempt=attempt,
            exit_code=self.exit_code,
            signal=self.signal,
            started_at=self.started_at,
            wall_s=self.wall_s,
            stderr=self.stderr,
            **rest,
        )


class OomKills:
    """Evidence that the kernel ended something in this cgroup for its memory.

    The kernel counts its kills and does not say whom they hit: each one may have hit any task
    that was running when it was first seen. The methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files = _memory_event_files()
        self._seen = self._count()
        self._at = 0.0  # Unix time at which the count was last seen to have grown; 0: never

    def look(self) -> None:
        """Take note of the kills so far: they are none of a task's that begins after this."""
        with self._lock:
            count = self._count()
            if count > self._seen:  # less: a file could not be read just now
                self._seen, self._at = count, time.time()

    def happened_since(self, started_at: float) -> bool:
        """Return True if a kill was first seen after this moment (Unix time)."""
        self.look()
        return self._at > started_at

    def _count(self) -> int:
        total = 0
        for path in self._files:
            try:
                match = re.search(r"(?m)^oom_kill (\d+)", path.read_text())
            except OSError:
                continue
            total += int(match[1]) if match else 0
        return total


def _memory_event_files() -> list[Path]:
    """Return this process's counters: cgroup v2 ``memory.events``, v1 ``memory.oom_control``.

    https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
    """
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found.append(Path(f"/sys/fs/cgroup{path}/memory.events"))
        elif "memory" in controllers.split(","):
            found.append(Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control"))
    return found


def classify(
    task: Task, settings: TaskSettings, ending: ProcessEnd, warning: SlurmWarning, oom: OomKills
) -> tuple[str, str]:
    """Return the kind of result and the runner's own words on it (``""`` when it went well)."""
    kernel_killed = oom.happened_since(ending.started_at)  # ask always: later tasks are not hit
    if ending.cancellation == FailureKind.TIMEOUT:
        return (
            FailureKind.TIMEOUT,
            f"not done after {settings.timeout_s} s; ended with all it had started",
        )
    if ending.cancellation == FailureKind.MEMORY:
        return FailureKind.MEMORY, f"used more than the declared {settings.memory_mib} MiB"
    if ending.cancellation:
        return FailureKind.LOST, ending.cancellation
    if ending.exit_code == 0:
        missing = [output for output in task.outputs if not Path(output).exists()]
        return (FailureKind.MISSING_OUTPUT, f"no output {missing[0]}") if missing else (OK, "")
    if _slurm_ended_it(ending, warning):
        return FailureKind.LOST, "ended around the time at which its worker was warned"
    if kernel_killed and _killed(ending):
        return FailureKind.MEMORY, "the kernel ended it for its memory"
    if ending.signal is None and _OUT_OF_MEMORY.search(ending.stderr):
        return FailureKind.MEMORY, "it could not get more memory"
    if ending.signal is not None:
        return FailureKind.SIGNAL, f"ended by {signal_name(ending.signal)}"
    return FailureKind.ERROR, f"exit code {ending.exit_code}"


def _killed(ending: ProcessEnd) -> bool:
    """Return True if SIGKILL ended the task, or what its shell or container has run for it."""
    return ending.signal == signal.SIGKILL or ending.exit_code == 128 + signal.SIGKILL


def _slurm_ended_it(ending: ProcessEnd, warning: SlurmWarning) -> bool:
    """Return True if the signal that warned the worker may have ended the task as well.

    Slurm signals every process of a step, so a task may be gone before the worker has
    noticed its own warning: it gets a moment. A task that ran at the warning and failed
    after it counts as lost too; it may have caught the signal and left in an orderly way.
    """
    warnings = (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2, warning.signal)
    by_warning = ending.signal in warnings or ending.exit_code == 128 + signal.SIGTERM
    if by_warning:
        return warning.wait_near(ending.started_at, ending.ended_at, WARNING_ARRIVES_S)
    return bool(warning.at) and ending.started_at <= warning.at <= ending.ended_at
