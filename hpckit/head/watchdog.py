"""Notice that a main loop lives and yet does nothing: a file system that does not answer holds a
process where no signal reaches it, and an engine's library may block for ever.

The loop writes a byte into a pipe about once a second; nothing else is shared.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Final

HEARTBEAT_FD: Final = "HPCKIT_HEAD_PULSE"  # names the pipe's end that the loop has
HEARTBEAT_S: Final = 1.0


class Heartbeat:
    """The loop's end. Does nothing when no supervisor started the loop."""

    def __init__(self) -> None:
        self._handle = int(os.environ.pop(HEARTBEAT_FD, "-1"))
        self._next_at = 0.0
        if self._handle >= 0:
            os.set_inheritable(self._handle, False)  # not for the engine's processes

    def beat(self) -> None:
        """Say that the loop is alive, once a second at most; never waits."""
        now = time.monotonic()
        if self._handle >= 0 and now >= self._next_at:
            self._next_at = now + HEARTBEAT_S
            with contextlib.suppress(OSError):
                os.write(self._handle, b".")


class HeartbeatListener:
    """The supervisor's end, for one loop: pass `theirs` on to it, and `close` in the end."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe()
        for end in (self._ours, self.theirs):
            os.set_blocking(end, False)
        self._heard_at = time.monotonic()

    def silent_s(self) -> float:
        """Return the seconds since the last beat."""
        with contextlib.suppress(BlockingIOError):
            if os.read(self._ours, 65536):
                self._heard_at = time.monotonic()
        return time.monotonic() - self._heard_at

    def close(self) -> None:
        """Close both ends."""
        os.close(self._ours)
        os.close(self.theirs)
