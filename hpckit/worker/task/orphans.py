"""Find and end what finished tasks leave behind.

The runner is a child subreaper: a process whose parents have ended becomes its child,
whether it called setsid, forked twice or changed its group. Orphans carry their task's
token in the environment they were started with. One that has dropped its environment is
ended as soon as no task is left that may have started it.
"""

from __future__ import annotations

import os
import signal
import threading

from hpckit.common.processes import (
    ENGINE_MARK,
    TASK_TOKEN,
    adopted_children,
    descendants_of,
    environment_of,
    kill_all,
    reap,
    send,
    wait_until_gone,
)

_UNKNOWN = ""
_ENGINE = "engine"


class Orphans:
    """Tells tasks' orphans from the runner's own children; its methods may be called from
    any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # held while a child is started on the first thread
        self._own: set[int] = set()
        self._running: set[str] = set()
        self._suspects: dict[int, set[str]] = {}

    def adopt(self, pid: int) -> None:
        """Say that `pid`, a child of the first thread, is no orphan."""
        self._own.add(pid)

    def disown(self, pid: int) -> None:
        """Take back `adopt`, once the process has been waited for."""
        self._own.discard(pid)

    def task_starts(self, token: str) -> None:
        """Note a running task; its processes have `token` in their environment."""
        self._running.add(token)

    def task_ended(self, token: str) -> None:
        """End all that the task has left behind, and forget it."""
        with self.lock:
            self._running.discard(token)
            for _ in range(5):  # ending a parent hands its children to us
                left = self._left_behind_by(token)
                if not left:
                    break
                self._end(left)

    def of_task(self, token: str) -> list[int]:
        """Return the orphans of a running task, with their descendants."""
        with self.lock:
            orphans = [pid for pid in self._orphans() if _token_of(pid) == token]
        return orphans + [pid for orphan in orphans for pid in descendants_of(orphan)]

    def end_all(self) -> None:
        """End every orphan of whatever task, and reap the dead."""
        with self.lock:
            kill_all(lambda: [pid for pid in self._orphans() if _token_of(pid) != _ENGINE])

    def reap_dead(self) -> None:
        """Collect dead orphans, so that they do not fill the process table."""
        with self.lock:
            for pid in self._orphans():
                reap(pid)

    def _orphans(self) -> list[int]:
        return [pid for pid in adopted_children() if pid not in self._own]

    def _left_behind_by(self, token: str) -> list[int]:
        found = []
        for pid in self._orphans():
            if reap(pid):
                self._suspects.pop(pid, None)
                continue
            of = _token_of(pid)
            if of == _UNKNOWN:
                suspects = self._suspects.setdefault(pid, {*self._running, token})
                suspects &= self._running
                if not suspects:
                    found.append(pid)
            elif of == token or (of != _ENGINE and of not in self._running):
                found.append(pid)
        return found

    def _end(self, orphans: list[int]) -> None:
        for orphan in orphans:
            family = [orphan, *descendants_of(orphan)]
            send(family, signal.SIGKILL)
            wait_until_gone(family, 1.0)
            self._suspects.pop(orphan, None)


def _token_of(pid: int) -> str:
    """Return the token of a process, `_ENGINE` for the engine's, `_UNKNOWN` if it has none."""
    found = _UNKNOWN
    for entry in environment_of(pid):
        if entry.startswith(TASK_TOKEN.encode() + b"="):
            return os.fsdecode(entry.partition(b"=")[2])
        if entry.startswith(ENGINE_MARK.encode() + b"="):
            found = _ENGINE
    return found
