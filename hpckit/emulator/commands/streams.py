"""srun's standard streams: passed to the tasks as they are, through pipes, or as file names.

Source: srun(1) *IO Redirection*: ``all``, ``none``, a task's number, a file name pattern.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
from collections.abc import Callable
from typing import Any

from hpckit.emulator import protocol

_CHUNK = 65536


class Streams:
    """Decides where each stream goes, and copies the data of those that use pipes.

    Args:
        options: srun's options.
        layout: returns the task ids per node, once the step is created.
    """

    def __init__(self, options: dict[str, Any], layout: Callable[[], list[list[int]]]) -> None:
        self.layout = layout
        self.label = "label" in options
        self.out = _mode(str(options.get("output", "all")))
        self.err = _mode(str(options.get("error", "")))
        self.input = _mode(str(options.get("input", "all")))
        self.append = options.get("open-mode") == "a"
        self.readers: dict[int, tuple[int, int, bytearray]] = {}  # pipe → task, target, rest
        self.feeds: list[int] = []  # write ends of stdin pipes
        self.child_ends: list[int] = []

    def offer(self, request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        """Return the streams' part of the request, and the descriptors to send with it."""
        self._drop_pipes()
        names: list[str] = []
        fds: list[int] = []
        about: dict[str, Any] = {"fds": names, "append": self.append}
        tasks = self._expected(request)
        if self.input not in ("all", "none") and not self.input.isdigit():
            about["stdin"] = os.path.abspath(self.input)  # noqa: PTH100
        elif self.input != "none" and not _is_null(0):
            self._offer_input(tasks, names, fds)
        for name, mode, target in (("out", self.out, 1), ("err", self.err, 2)):
            if mode not in ("all", "none", "") and not mode.isdigit():
                about["stdout" if name == "out" else "stderr"] = os.path.abspath(mode)  # noqa: PTH100
            elif mode == "" and self.out not in ("all",) and not self.out.isdigit():
                continue  # stderr goes where --output says
            elif mode == "none":
                about["stdout" if name == "out" else "stderr"] = os.devnull
            else:
                self._offer_output(name, target, tasks, names, fds)
        return about, fds

    def _expected(self, request: dict[str, Any]) -> int:
        """Return how many tasks may need a pipe of their own (it may be more than needed)."""
        nodes = (
            request["max_nodes"]
            or request["min_nodes"]
            or int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
        )
        tasks = request["ntasks"] or nodes * max(1, request["ntasks_per_node"])
        return int(min(tasks, protocol.MAX_DESCRIPTORS // 3 - 4))

    def _offer_input(self, tasks: int, names: list[str], fds: list[int]) -> None:
        for task in [int(self.input)] if self.input.isdigit() else range(tasks):
            read_end, write_end = os.pipe()
            names.append(f"in.{task}")
            fds.append(read_end)
            self.child_ends.append(read_end)
            self.feeds.append(write_end)

    def _offer_output(
        self, name: str, target: int, tasks: int, names: list[str], fds: list[int]
    ) -> None:
        if not self.label:
            names.append(name)
            fds.append(target)
            return
        for task in range(tasks):
            read_end, write_end = os.pipe()
            names.append(f"{name}.{task}")
            fds.append(write_end)
            self.child_ends.append(write_end)
            self.readers[read_end] = (task, target, bytearray())

    def _drop_pipes(self) -> None:
        for fd in [*self.readers, *self.feeds, *self.child_ends]:
            os.close(fd)
        self.readers, self.feeds, self.child_ends = {}, [], []

    # -- copying -------------------------------------------------------------------------

    def begin(self) -> None:
        """Close the tasks' ends of the pipes here: the step is created and has them."""
        for fd in self.child_ends:
            os.close(fd)
        self.child_ends = []

    def receive(self, sock: socket.socket, inbox: protocol.Inbox) -> dict[str, Any]:
        """Return the daemon's next message; copy the streams meanwhile.

        Raises:
            protocol.Closed: the daemon ended.
        """
        while True:
            message = inbox.next()
            if message is not None:
                return message
            sources: list[Any] = [sock, *self.readers, *([0] if self.feeds else [])]
            ready, _, _ = select.select(sources, [], [])
            for one in ready:
                if one is sock:
                    if not inbox.feed(sock):
                        raise protocol.Closed("the daemon ended")
                elif one == 0:
                    self._feed()
                else:
                    self._carry(int(one))

    def _feed(self) -> None:
        try:
            data = os.read(0, 4096)
        except OSError:
            data = b""
        for fd in list(self.feeds):
            try:
                if not data:
                    raise BrokenPipeError
                os.write(fd, data)
            except OSError:
                self.feeds.remove(fd)
                os.close(fd)

    def _carry(self, fd: int) -> None:
        task, target, rest = self.readers[fd]
        data = os.read(fd, _CHUNK)
        rest += data
        lines = bytes(rest).split(b"\n")
        del rest[: len(rest) - len(lines[-1])]
        prefix = self._prefix(task)
        whole = b"".join(prefix + line + b"\n" for line in lines[:-1])
        if not data and rest:
            whole += prefix + bytes(rest) + b"\n"
        if whole:
            _write_all(target, whole)
        if not data:
            del self.readers[fd]
            os.close(fd)

    def _prefix(self, task: int) -> bytes:
        total = sum(len(tasks) for tasks in self.layout())
        width = len(str(max(0, total - 1)))
        return f"{task:{width}d}: ".encode()

    def finish(self) -> None:
        """Copy what is left in the pipes; do not wait for grandchildren that hold them open."""
        while self.readers:
            ready, _, _ = select.select(list(self.readers), [], [], 0.2)
            if not ready:
                break
            for fd in ready:
                self._carry(fd)
        sys.stdout.flush()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except OSError:
            return


def _mode(text: str) -> str:
    return {"/dev/null": "none"}.get(text, text)


def _is_null(fd: int) -> bool:
    try:
        about = os.fstat(fd)
    except OSError:
        return True
    return stat.S_ISCHR(about.st_mode) and about.st_rdev == os.makedev(1, 3)
