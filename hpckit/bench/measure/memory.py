"""The peak memory of head and workers: the PSS of their processes.

PSS counts a page that n processes share as 1/n for each, so that it can be summed up. Tasks are
left out. All processes of this machine are looked at, also those in a container or another network
namespace. The memory of processes on other machines stays unknown.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

import psutil

Role = Literal["head", "worker", ""]
#: Returns the role of a process tree, given name and command line of its root; "" is no root.
Roles = Callable[[str, Sequence[str]], Role]
_INTERVALS_S: Final = (0.25, 0.25, 0.5)  # the last one repeats
_INTERVAL_PER_COST: Final = 50  # a sample costs up to 2 ms per process: at most 2 % of a CPU
_TASK: Final = "compress_task"
_JUST_FORKED_S: Final = (
    3.0  # the command line of a process just forked may still be that of its parent
)


class MemoryWatcher:
    """Samples memory in a thread while the block runs.

    Attributes:
        head_mib: peak of the trees of all heads together; None if there was none.
        worker_mib: peak of the largest tree of a worker; None if there was none.
        seen: every process of these trees, so that those left over can be killed.
    """

    def __init__(self, roles: Roles, *, workers_in_head: bool = False) -> None:
        """Prepare to watch; the block starts the thread.

        Args:
            roles: recognizes the roots of trees.
            workers_in_head: count a worker only below a head.
        """
        self._roles = roles
        self._workers_in_head = workers_in_head
        self._known: dict[psutil.Process, Role] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.head_mib: float | None = None
        self.worker_mib: float | None = None
        self.seen: set[psutil.Process] = set()

    def __enter__(self) -> MemoryWatcher:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        pauses = itertools.chain(_INTERVALS_S, itertools.repeat(_INTERVALS_S[-1]))
        took_s = 0.0
        while not self._stop.wait(max(next(pauses), _INTERVAL_PER_COST * took_s)):
            began = time.thread_time()
            self.take_sample()
            took_s = time.thread_time() - began

    def take_sample(self) -> None:
        """Take one sample."""
        sums: dict[tuple[Role, int], float] = defaultdict(float)
        for process, role, root in self._trees():
            self.seen.add(process)
            sums[role, root] += _pss_mib(process)
        heads = [value for (role, _), value in sums.items() if role == "head"]
        workers = [value for (role, _), value in sums.items() if role == "worker"]
        if heads:
            self.head_mib = max(self.head_mib or 0.0, sum(heads))
        if workers:
            self.worker_mib = max(self.worker_mib or 0.0, *workers)

    def _trees(self) -> list[tuple[psutil.Process, Role, int]]:
        """Return each process in a tree of a head or worker, with role and root of the tree."""
        parents: dict[int, int] = {}
        roles: dict[int, Role] = {}
        processes: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            try:
                parents[process.pid] = process.ppid()
                if (role := self._role(process)) is None:
                    continue
            except psutil.Error:
                continue
            processes[process.pid] = process
            if role:
                roles[process.pid] = role
        found: list[tuple[psutil.Process, Role, int]] = []
        for pid, process in processes.items():
            root = _root(pid, parents, roles)
            if root and self._is_counted(root, parents, roles):
                found.append((process, roles[root], root))
        return found

    def _is_counted(self, root: int, parents: dict[int, int], roles: dict[int, Role]) -> bool:
        if roles[root] == "head" or not self._workers_in_head:
            return True
        above = _root(parents.get(root, 0), parents, roles)
        return bool(above) and self._is_counted(above, parents, roles)

    def _role(self, process: psutil.Process) -> Role | None:
        """Return the role of the tree that a process is the root of; None for a task."""
        if process.name() == _TASK:
            return None
        known = self._known.get(process)
        if known is None or time.time() - process.create_time() < _JUST_FORKED_S:
            known = self._known[process] = self._roles(process.name(), process.cmdline())
        return known


def _root(pid: int, parents: dict[int, int], roles: dict[int, Role]) -> int:
    """Return the nearest root of a tree, from `pid` upwards; 0 if there is none."""
    while pid and pid not in roles:
        pid = parents.get(pid, 0)
    return pid


def _pss_mib(process: psutil.Process) -> float:
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:  # it has ended, or belongs to another user
        return 0.0
    line = next((row for row in text.splitlines() if row.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) / 1024


def roles_of_run(run_dir: str) -> Roles:
    """Return the function that recognizes head and workers of one run of hpckit."""

    def role(_name: str, argv: Sequence[str]) -> Role:
        if run_dir not in argv:
            return ""
        if "hpckit.worker" in argv:
            return "worker"
        return "head" if "hpckit.head" in argv else ""

    return role


def roles_of_script(config: str) -> Roles:
    """Return the function that recognizes a baseline script with this argument, and its workers.

    Workers are those of Work Queue, and Ray's raylet with its children; the rest is the head. Use
    it with `workers_in_head`.
    """

    def role(name: str, argv: Sequence[str]) -> Role:
        if config in argv:
            return "head"
        return "worker" if name in ("work_queue_worker", "raylet") else ""

    return role
