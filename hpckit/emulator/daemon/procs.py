"""Processes: their descendants, the memory they use, and signals to all of them.

Everything that a step starts descends from its step daemon, which is a child subreaper: a process
that calls setsid, or whose parent has ended, is still found. Source: proc(5), prctl(2).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def children(pid: int) -> list[int]:
    """Return the direct children of a process (of all its threads)."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - called often
    except OSError:
        return found
    for thread in threads:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:  # noqa: PTH123
            found += [int(word) for word in file.read().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process, parents before children."""
    found: list[int] = []
    queue = children(pid)
    while queue:
        one = queue.pop(0)
        found.append(one)
        queue += children(one)
    return found


def send(pids: list[int], signals: tuple[int, ...]) -> None:
    """Send signals, in order, to each process; ignore those that have ended."""
    for signo in signals:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signo)


def kill_descendants(root: int, *, timeout_s: float = 5.0) -> None:
    """End all descendants of `root` with SIGKILL, and reap those that are its own children.

    Called by `root` itself. New processes may appear while old ones are killed, so it looks again
    until there are none.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        left = descendants(root)
        if not left:
            return
        send(left, (signal.SIGKILL,))
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.002)


def kill_with_descendants(root: int, *, timeout_s: float = 0.5) -> None:
    """End a step daemon and all its descendants with SIGKILL; called by another process.

    The step daemon is stopped first and killed last: it becomes the parent of processes that are
    forked meanwhile or lose their parent, so they are found. When this returns, none of them holds
    a file or a lock any more.
    """
    send([root], (signal.SIGSTOP,))
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        left = [pid for pid in descendants(root) if not is_zombie(pid)]
        if not left:
            break
        send(left, (signal.SIGKILL,))
        time.sleep(0.001)
    send([root], (signal.SIGKILL,))


def is_zombie(pid: int) -> bool:
    """Return True if a process has ended and nobody has waited for it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"


def resident_kib(pids: list[int]) -> int:
    """Return the resident memory of processes; shared pages count once for each process."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/statm") as file:  # noqa: PTH123
            total += int(file.read().split()[1]) * PAGE_KIB
    return total


def proportional_kib(pids: list[int]) -> int:
    """Return the resident memory of processes; shared pages are divided among them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(text.split("\nPss:")[1].split()[0])
    return total


def start_time(pid: int) -> int:
    """Return when a process started, in ticks since boot (0 if it has ended).

    Together with its pid this identifies a process.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])
