"""Waiting for a task: its output is read, its limits are watched, until it ends."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hpckit.model.failure_kind import FailureKind
from hpckit.worker.cancellation import Cancellation
from hpckit.worker.task.capture import Capture

MEMORY_POLL_S: Final = 0.5
READ_BYTES: Final = 1 << 16
#: What a finished task has left in its pipes is read up to here; a pipe holds 64 KiB.
DRAIN_BYTES: Final = 1 << 21
_IN = select.POLLIN | select.POLLHUP | select.POLLERR


class Exit:
    """The end of a child as something to wait for; on kernels before 5.3 it is asked for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._handle = os.pidfd_open(pid)
        except OSError:
            self._handle = -1

    def fileno(self) -> int:
        """Return a descriptor that is readable when the child has ended, or -1."""
        return self._handle

    def ended(self) -> bool:
        """Return True if the child has ended; it is left to be waited for."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, flags) is not None
        except ChildProcessError:
            return True

    def close(self) -> None:
        """Give the descriptor back."""
        if self._handle >= 0:
            os.close(self._handle)


@dataclass(frozen=True)
class Limits:
    """Up to where a task may go on; 0 means no limit."""

    deadline: float = 0.0  # of the monotonic clock
    memory_mib: int = 0
    used_mib: Callable[[], float] = lambda: 0.0


class ProcessMonitor:
    """Reads two streams into captures while it waits."""

    def __init__(self, streams: dict[int, Capture]) -> None:
        self._streams = dict(streams)
        for handle in streams:
            os.set_blocking(handle, False)

    def wait(
        self, child: Exit, limits: Limits, cancellation: Cancellation | None, reply: int = -1
    ) -> str:
        """Wait until the child ends or `reply` is readable.

        Returns:
            ``""`` when that happened; else why the task has to be ended now: `FailureKind` TIMEOUT,
            MEMORY or the cut's words.
        """
        look_at_memory = time.monotonic() + MEMORY_POLL_S if limits.memory_mib else 0.0
        while True:
            ready = self._poll(child, limits, look_at_memory, cancellation, reply)
            for handle in ready & self._streams.keys():
                self._read_from(handle)
            if reply in ready or child.fileno() in ready or (child.fileno() < 0 and child.ended()):
                return ""
            if (
                cancellation
                and ready.intersection(cancellation.filenos())
                and (reason := cancellation.check())
            ):
                return reason
            now = time.monotonic()
            if limits.deadline and now >= limits.deadline:
                return FailureKind.TIMEOUT
            if look_at_memory and now >= look_at_memory:
                look_at_memory = now + MEMORY_POLL_S
                if limits.used_mib() > limits.memory_mib:
                    return FailureKind.MEMORY

    def drain(self) -> None:
        """Read what the streams still hold, without waiting."""
        for handle in list(self._streams):
            for _ in range(DRAIN_BYTES // READ_BYTES):
                if not self._read_from(handle):
                    break

    def _poll(
        self,
        child: Exit,
        limits: Limits,
        look_at_memory: float,
        cancellation: Cancellation | None,
        reply: int,
    ) -> set[int]:
        poll = select.poll()
        for handle in (
            *self._streams,
            child.fileno(),
            reply,
            *(cancellation.filenos() if cancellation else ()),
        ):
            if handle >= 0:
                poll.register(handle, _IN)
        times = [t for t in (limits.deadline, look_at_memory) if t]
        wait_s = max(0.0, min(times) - time.monotonic()) if times else None
        if child.fileno() < 0:
            wait_s = min(0.01, wait_s) if wait_s is not None else 0.01
        return {h for h, _ in poll.poll(None if wait_s is None else wait_s * 1000 + 1)}

    def _read_from(self, handle: int) -> bool:
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(handle, READ_BYTES)
            if not data:
                del self._streams[handle]
        if data:
            self._streams[handle].feed(data)
        return bool(data)
