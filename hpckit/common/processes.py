"""Find processes by their PID, parent or environment, and stop them.

Everything is read from /proc (https://man7.org/linux/man-pages/man5/proc.5.html). A process
is never searched for by its name.
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
    """Return the command line that runs a module.

    Without ``-P``, Python would import a ``queue.py`` or ``ray.py`` of the user's from the
    working directory instead of the module of that name.
    """
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
    """Raise the soft limit of open files to `count`, or to the hard limit if that is lower.

    The usual soft limit, 1024, is too low for a worker with hundreds of slots. A higher limit is
    not changed. It is raised no further than needed, because programs that use ``select`` fail
    with file numbers above 1023. Child processes inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < count:
        allowed = count if hard == unlimited else min(count, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def children_of(pid: int) -> list[int]:
    """Return the children of all threads of `pid`, zombies included; none if it has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            found += _children_of_thread(pid, int(thread))
    return found


def adopted_children() -> list[int]:
    """Return the children of this process's first thread, which the kernel gives orphans to."""
    return _children_of_thread(os.getpid(), os.getpid())


def _children_of_thread(pid: int, thread: int) -> list[int]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
        return [int(word) for word in file.read().split()]
    return []


def descendants_of(pid: int) -> list[int]:
    """Return all descendants of `pid`, zombies included, parents before children."""
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
    """Return the variables, ``NAME=value``, of a process's start; none if it has ended."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def find_by_variable(name: str, value: str, *, whole: bool = True) -> list[int]:
    """Return every process of this user that was started with this environment variable.

    Args:
        name: the variable's name.
        value: its value, or the beginning of its value if `whole` is False.
        whole: compare with the whole value.
    """
    wanted = f"{name}={value}".encode()

    def has_variable(pid: int) -> bool:
        variables = environment_of(pid)
        return wanted in variables if whole else any(v.startswith(wanted) for v in variables)

    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208
    return [pid for pid in pids if pid != os.getpid() and has_variable(pid)]


def is_alive(pid: int) -> bool:
    """Return True if the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] not in b"ZX"


def rss_mib(pids: Iterable[int]) -> float:
    """Return the resident memory of all these processes; shared pages count once."""
    private = shared = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = Path(f"/proc/{pid}/statm").read_bytes().split()
            private += int(pages[1]) - int(pages[2])
            shared = max(shared, int(pages[2]))
    return (private + shared) * PAGE_BYTES / 2**20


def pss_mib(pids: Iterable[int]) -> float:
    """Return the resident memory of all these processes; a page is divided among its users.

    Pages that a process and its forks share count once. This is slow, because the kernel walks
    through all page tables: use it only when `rss_mib` is above a limit. Before Linux 4.14 it is
    the sum of the resident memory.
    """
    return sum(_pss_mib(pid) for pid in pids)


def _pss_mib(pid: int) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
        return int(rollup.partition(b"\nPss:")[2].split()[0]) / 1024
    return rss_mib([pid])


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to each process; skip those that have ended."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def signal_name(number: int) -> str:
    """Return a name such as ``SIGSEGV``; ``signal 35`` for a real-time signal, which has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def reap(pid: int) -> bool:
    """Reap `pid` if it is a zombie child of this process; return True if it has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not is_alive(pid)


def wait_until_gone(
    pids: Iterable[int], limit_s: float, *, has_ended: Callable[[int], bool] = reap
) -> list[int]:
    """Wait until all have ended; return those that still run after `limit_s`."""
    deadline = time.monotonic() + limit_s
    left = list(pids)
    pauses = Backoff(0.001, 0.05)
    while left := [pid for pid in left if not has_ended(pid)]:
        if time.monotonic() >= deadline:
            break
        time.sleep(pauses.next_s())
    return left


def kill_all(find: Callable[[], list[int]], *, rounds: int = 20) -> list[int]:
    """Send SIGKILL to what `find` returns until it finds nothing; return what still runs."""
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
    """Stop a child by SIGTERM, then kill what is left of its descendants.

    Args:
        child: the process; after `leave_s` it is killed with its descendants of that moment.
        family: its earlier descendants, which cannot be found any more once it has ended.
        leave_s: seconds that the child has to end.
        rest_s: seconds that `family` has to end after that.
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
