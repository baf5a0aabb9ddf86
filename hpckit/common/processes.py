"""Processes by PID: who descends from whom, who carries a mark, and how to end them.

Everything is read from /proc (https://man7.org/linux/man-pages/man5/proc.5.html). A process
is never looked for by its name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hpckit.common.backoff import Backoff

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: The environment variables by which `find_by_variable` finds processes. TASK_TOKEN marks those of
#: a task (its value names worker, slot, bundle and task); ENGINE_MARK those of an engine, which
#: are not stopped with the tasks.
TASK_TOKEN = "HPCKIT_TASK_TOKEN"
ENGINE_MARK = "HPCKIT_ENGINE"


def python_module(name: str, *, python: str = sys.executable) -> list[str]:
    """Return the words that run a module. Without ``-P``, a ``queue.py`` or ``ray.py`` in the
    working directory, which is the user's, would be taken for the module of that name."""
    return [python, "-P", "-m", name]


def become_subreaper() -> None:
    """Make orphans among this process's descendants its own children.

    Raises:
        OSError: the kernel refuses (older than 3.4).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def allow_open_files(count: int) -> None:
    """Let this process, and what it starts, have so many files open, as far as it may.

    The usual soft limit, 1024, is too low for a worker with hundreds of slots; a limit that is
    higher already stays. Programs that use ``select`` mind a much higher one, so it is no more
    than is needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < count:
        may = count if hard == unlimited else min(count, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (may, hard))


def children_of(pid: int) -> list[int]:
    """Return the children of all threads of `pid`, zombies included; none if it has gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            found += _children_of_thread(pid, int(thread))
    return found


def adopted_children() -> list[int]:
    """Return the children of this process's first thread: orphans are given to that one."""
    return _children_of_thread(os.getpid(), os.getpid())


def _children_of_thread(pid: int, thread: int) -> list[int]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
        return [int(word) for word in file.read().split()]
    return []


def descendants_of(pid: int) -> list[int]:
    """Return all living or dead-but-unreaped descendants of `pid`, parents before children."""
    found, seen = [], {pid}
    waiting = [pid]
    while waiting:
        for child in children_of(waiting.pop()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                waiting.append(child)
    return found


def environment_of(pid: int) -> list[bytes]:
    """Return the variables, ``NAME=value``, a process was started with; none if it has gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def find_by_variable(name: str, value: str, *, whole: bool = True) -> list[int]:
    """Return every process of this user that was started with this variable.

    Args:
        name: the variable's.
        value: what it is, or begins with if it need not be the `whole`.
    """
    mark = f"{name}={value}".encode()

    def carries(pid: int) -> bool:
        variables = environment_of(pid)
        return mark in variables if whole else any(v.startswith(mark) for v in variables)

    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208
    return [pid for pid in pids if pid != os.getpid() and carries(pid)]


def is_alive(pid: int) -> bool:
    """Return whether the process is there and more than a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] not in b"ZX"


def rss_mib(pids: Iterable[int]) -> float:
    """Return the resident memory of processes together, their shared pages counted once."""
    private = shared = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = Path(f"/proc/{pid}/statm").read_bytes().split()
            private += int(words[1]) - int(words[2])
            shared = max(shared, int(words[2]))
    return (private + shared) * PAGE_BYTES / 2**20


def pss_mib(pids: Iterable[int]) -> float:
    """Return the resident memory of processes together, each page shared out among its users.

    So what a process and its forks have in common until one of them writes to it counts
    once. The kernel walks through all page tables for it: ask when `rss_mib` is too much. A
    process of which it does not say it (before Linux 4.14) counts with all that is resident.
    """
    return sum(_pss_mib(pid) for pid in pids)


def _pss_mib(pid: int) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
        return int(rollup.partition(b"\nPss:")[2].split()[0]) / 1024
    return rss_mib([pid])


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to each; those that have gone are skipped."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def signal_name(number: int) -> str:
    """Return ``SIGSEGV`` and the like, or ``signal 35`` for a real-time one, which has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def reap(pid: int) -> bool:
    """Collect `pid` if it is a dead child of ours; return whether nothing is left of it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not is_alive(pid)


def wait_until_gone(
    pids: Iterable[int], limit_s: float, *, gone: Callable[[int], bool] = reap
) -> list[int]:
    """Wait until all have gone; return those that are still there after `limit_s`."""
    deadline = time.monotonic() + limit_s
    left = list(pids)
    pauses = Backoff(0.001, 0.05)
    while left := [pid for pid in left if not gone(pid)]:
        if time.monotonic() >= deadline:
            break
        time.sleep(pauses.next_s())
    return left


def kill_all(find: Callable[[], list[int]], *, rounds: int = 20) -> list[int]:
    """SIGKILL what `find` returns until it finds nothing; return what could not be ended."""
    left: list[int] = []
    for _ in range(rounds):
        left = find()
        if not left:
            return []
        send(left, signal.SIGKILL)
        wait_until_gone(left, 1.0)
    return left


def stop_child(
    child: subprocess.Popen[bytes], family: Iterable[int], *, leave_s: float, rest_s: float
) -> None:
    """End a child in order, then what is left of its descendants.

    Args:
        child: it hears SIGTERM, and SIGKILL with its descendants of then after `leave_s`.
        family: its descendants of before, which nobody could find by it any more.
        leave_s: how long it may take to leave.
        rest_s: how long they may take after that.
    """
    child.terminate()
    try:
        child.wait(leave_s)
    except subprocess.TimeoutExpired:
        late = descendants_of(child.pid)
        child.kill()
        send(late, signal.SIGKILL)
        child.wait()
    send(wait_until_gone(family, rest_s), signal.SIGKILL)
