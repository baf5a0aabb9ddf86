"""The standard streams of a task: files by pattern, descriptors from srun, or nothing."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

from hpckit.emulator.daemon import patterns

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@dataclass(slots=True)
class Files:
    """Streams of a step's tasks on one node.

    Attributes:
        stdin, stdout, stderr: patterns of file names; "" for `fds`, or for stdin nothing.
            An empty `stderr` without descriptors goes to the same file as stdout.
        values: what the patterns' letters mean here; ``t`` and ``n`` are each task's own.
        append: append to files instead of emptying them.
        fds: descriptors by ``"in"``, ``"out"``, ``"err"`` (for all tasks) or ``"out.3"`` (task 3).
    """

    stdin: str = ""
    stdout: str = ""
    stderr: str = ""
    values: dict[str, str] = field(default_factory=dict)
    append: bool = False
    fds: dict[str, int] = field(default_factory=dict)


def given(files: Files) -> set[int]:
    """Return the descriptors that srun passed."""
    return set(files.fds.values())


def close_given(files: Files) -> None:
    """Close the descriptors that srun passed, once every task has its own copies."""
    for fd in given(files):
        with contextlib.suppress(OSError):
            os.close(fd)


def open_for_task(files: Files, task: int, local: int) -> tuple[int, int, int]:
    """Return new descriptors for a task's stdin, stdout and stderr.

    Raises:
        OSError: a file cannot be opened.
    """
    values = files.values | {"t": str(task), "n": files.values.get("n", "0"), "l": str(local)}
    opened: list[int] = []
    try:
        opened.append(_open_input(files, task, values))
        opened.append(_open_output(files, "out", files.stdout, task, values))
        if files.stderr or f"err.{task}" in files.fds or "err" in files.fds:
            opened.append(_open_output(files, "err", files.stderr, task, values))
        else:
            opened.append(os.dup(opened[1]))
    except OSError:
        for fd in opened:
            os.close(fd)
        raise
    return opened[0], opened[1], opened[2]


def _open_input(files: Files, task: int, values: dict[str, str]) -> int:
    if files.stdin:
        return os.open(patterns.expand(files.stdin, values), os.O_RDONLY | os.O_CLOEXEC)
    fd = files.fds.get(f"in.{task}", files.fds.get("in"))
    return os.dup(fd) if fd is not None else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _open_output(files: Files, name: str, pattern: str, task: int, values: dict[str, str]) -> int:
    if pattern:
        path = patterns.expand(pattern, values)
        try:
            return os.open(path, _WRITE | (0 if files.append else os.O_TRUNC), 0o666)
        except OSError as error:
            stream = {"out": "stdout", "err": "stderr"}[name]
            raise OSError(error.errno, error.strerror, f"{stream} file {path}") from None
    fd = files.fds.get(f"{name}.{task}", files.fds.get(name))
    return os.dup(fd) if fd is not None else os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
