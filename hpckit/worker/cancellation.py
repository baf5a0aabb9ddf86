"""The reasons to end running tasks early: their client leaves, or the worker's time is over."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from typing import Final

#: How near to the worker's own warning a signal may end a task and still count as Slurm's.
NEAR_S: Final = 5.0


class StopFlag:
    """A reason that, once raised, can be waited for with poll; it stays raised."""

    def __init__(self) -> None:
        self.reason = ""
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return a descriptor that is readable once the flag is raised."""
        return self._event

    def raise_(self, reason: str) -> None:
        """Raise it; the first reason stays."""
        if not self.reason:
            self.reason = reason
            os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._event)


class SlurmWarning:
    """The signal by which Slurm warned this worker, and when."""

    def __init__(self) -> None:
        self.at = 0.0  # Unix time; 0: not warned
        self.signal = 0

    def near(self, started_at: float, ended_at: float) -> bool:
        """Return True if the warning came while the task ran, or within seconds of its end."""
        return bool(self.at) and started_at - NEAR_S <= self.at <= ended_at + NEAR_S

    def wait_near(self, started_at: float, ended_at: float, limit_s: float) -> bool:
        """Like `near`, but give a warning that is just arriving a moment to do so."""
        deadline = time.monotonic() + limit_s
        while not self.near(started_at, ended_at):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True


class Cancellation:
    """The cuts that apply to one bundle. `reason` is ``""`` while it may go on.

    Args:
        client: the connection that waits for the result, if any.
        over: raised when running tasks must end.
        outlives_client: asked when the client has hung up; True lets the running task finish.
    """

    def __init__(
        self,
        client: socket.socket | None,
        over: StopFlag,
        outlives_client: Callable[[], bool] = lambda: False,
    ) -> None:
        self.abandoned = False  # nobody waits for the result
        self._client = client
        self._over = over
        self._outlives_client = outlives_client

    def filenos(self) -> list[int]:
        """Return the descriptors whose readability means: call `check`."""
        client = [self._client.fileno()] if self._client and not self.abandoned else []
        return [self._over.fileno(), *client]

    def check(self) -> str:
        """Return why the running task has to end, or ``""``."""
        if self._client and not self.abandoned:
            with contextlib.suppress(BlockingIOError):
                try:
                    self.abandoned = not self._client.recv(4096, socket.MSG_DONTWAIT)
                except ConnectionError:
                    self.abandoned = True
        if self._over.reason:
            return self._over.reason
        if self.abandoned and not self._outlives_client():
            return "its engine gave it up"
        return ""
