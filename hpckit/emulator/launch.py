"""Start a cluster's daemon, for `control` and for commands that find none running."""

from __future__ import annotations

import fcntl
import os
import sys
import time

from hpckit.emulator import paths, protocol
from hpckit.errors import SchedulerError

_START_TIMEOUT_S = 15.0


def boot_words(command: str, state_dir: str) -> list[str]:
    """Return the command line that runs an emulated command or the daemon."""
    boot = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot.py")  # noqa: PTH100, PTH118, PTH120
    return [sys.executable, "-S", "-E", "-s", boot, command, state_dir]


def locked(state_dir: str) -> bool:
    """Return True if a daemon holds the cluster's lock."""
    try:
        lock = os.open(f"{state_dir}/lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def inside_a_job() -> bool:
    """Return True if this process descends from a step daemon: a daemon started here would end
    with the step."""
    pid = os.getpid()
    while pid > 1:
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
                name, _, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            return False
        if name == "slurmstepd":
            return True
        pid = int(rest.split()[1])
    return False


def start(state_dir: str) -> None:
    """Start the daemon, detached from the caller, and wait until it answers.

    Raises:
        SchedulerError: it did not start in time; its log says why.
    """
    words = boot_words("slurmctld", state_dir)
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _close_from(3)
                os.execve(words[0], words, dict(os.environ))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    if not _wait_until_it_answers(state_dir, _START_TIMEOUT_S):
        raise SchedulerError(
            f"the emulated Slurm in {state_dir} did not start within {_START_TIMEOUT_S:.0f} s",
            hint=f"See {state_dir}/slurmctld.log.",
        )


def await_other_start(state_dir: str) -> None:
    """Wait for a daemon that holds the lock: another process may have just started it."""
    try:
        age_s = time.time() - os.stat(f"{state_dir}/lock").st_mtime  # noqa: PTH116
    except OSError:
        return
    _wait_until_it_answers(state_dir, _START_TIMEOUT_S - age_s)


def _wait_until_it_answers(state_dir: str, timeout_s: float) -> bool:
    """Return True if a daemon listens on the cluster's socket, now or within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    pause = 0.005
    while not answers(state_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True


def _close_from(first: int) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) >= first:
            try:
                os.close(int(name))
            except OSError:
                continue


def answers(state_dir: str) -> bool:
    """Return True if a daemon listens on the cluster's socket."""
    try:
        protocol.connect(paths.socket_path(state_dir)).close()
    except OSError:
        return False
    return True
