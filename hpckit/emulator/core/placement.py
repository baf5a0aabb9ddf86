"""Choose the nodes of a job: pure arithmetic on free resources.

Follows select/cons_tres with ``CR_CPU_Memory``: CPUs and memory are consumed, nodes are filled
in order, as few as possible. Sources: sbatch(1), slurm.conf(5) ``SelectTypeParameters``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hpckit.emulator.core.model import Node, Request, Share


@dataclass(slots=True)
class Free:
    """The free resources of one node."""

    name: str
    cpus: int
    memory_mib: int
    gpus: tuple[int, ...]
    total_cpus: int
    total_memory_mib: int
    busy: bool  # some job is on it, so that no exclusive one fits
    closed: bool  # an exclusive job is on it, so that no other job fits

    @classmethod
    def now(cls, node: Node) -> Free:
        """The free resources at this moment."""
        left = tuple(g for g in range(node.gpus) if g not in node.used_gpus)
        return cls(
            node.name, node.cpus - node.used_cpus, node.memory_mib - node.used_memory_mib, left,
            node.cpus, node.memory_mib, bool(node.jobs), node.exclusive,
        )  # fmt: skip

    @classmethod
    def empty(cls, node: Node) -> Free:
        """The node as if nothing ran on it."""
        gpus = tuple(range(node.gpus))
        return cls(
            node.name, node.cpus, node.memory_mib, gpus, node.cpus, node.memory_mib, False, False
        )


@dataclass(frozen=True, slots=True)
class Need:
    """A request in numbers."""

    tasks: int
    min_nodes: int
    max_nodes: int
    cpus_per_task: int
    per_node: int  # most tasks on a node; 0: no bound


def need_of(request: Request) -> Need:
    """Return how many tasks and nodes a request means."""
    least, most = request.min_nodes, request.max_nodes
    per_node = request.ntasks_per_node
    tasks = request.ntasks
    if request.nodelist:
        least = max(least, len(request.nodelist))
    if not tasks:
        tasks = least * (per_node or 1)
    elif per_node and not most:
        least = max(least, math.ceil(tasks / per_node))
    if request.ntasks and tasks < least and not request.nodelist:
        least = tasks  # "can't run 1 processes on 2 nodes, setting nnodes to 1"
        most = min(most, tasks) if most else 0
    return Need(tasks, least, max(most, least) if most else 0, request.cpus_per_task or 1, per_node)


def memory_on(request: Request, cpus: int, free: Free, default_per_cpu_mib: int) -> int:
    """Return the MiB that `cpus` of a request mean on one node."""
    if request.mem_per_node_mib == 0:
        return free.total_memory_mib
    if request.mem_per_node_mib > 0:
        return request.mem_per_node_mib
    per_cpu = request.mem_per_cpu_mib if request.mem_per_cpu_mib >= 0 else default_per_cpu_mib
    return (
        min(per_cpu * cpus, free.total_memory_mib)
        if request.mem_per_cpu_mib <= 0
        else (per_cpu * cpus)
    )


def place(request: Request, nodes: Sequence[Free], default_per_cpu_mib: int) -> list[Share] | None:
    """Return the request's share of each chosen node, or None if it does not fit."""
    need = need_of(request)
    capacity = []
    for free in nodes:
        room = _room(request, need, free, default_per_cpu_mib)
        if room > 0:
            capacity.append((free, room))
    wanted = set(request.nodelist)
    first = [pair for pair in capacity if pair[0].name in wanted]
    if len(first) < len(wanted):
        return None
    others = [pair for pair in capacity if pair[0].name not in wanted]
    for candidates in _orders(others, need, bool(wanted)):
        chosen = _choose(first + candidates, need, len(wanted))
        if chosen:
            return _share(request, need, chosen, default_per_cpu_mib)
    return None


def _orders(
    others: list[tuple[Free, int]], need: Need, fixed: bool
) -> Iterable[list[tuple[Free, int]]]:
    if need.min_nodes <= 1 and not fixed:
        yield [pair for pair in others if pair[1] >= need.tasks][:1]
    yield others
    yield sorted(others, key=lambda pair: -pair[1])


def _room(request: Request, need: Need, free: Free, default_per_cpu_mib: int) -> int:
    if free.closed or (request.exclusive and free.busy):
        return 0
    cpus = free.total_cpus if request.exclusive else free.cpus
    room = cpus // need.cpus_per_task
    if need.per_node:
        room = min(room, need.per_node)
    gpus = _gpus_each(request, need)
    if gpus > len(free.gpus):
        return 0
    if request.gpus_per_task:
        room = min(room, len(free.gpus) // request.gpus_per_task)
    while room > 0:
        used = cpus if request.exclusive else room * need.cpus_per_task
        if memory_on(request, used, free, default_per_cpu_mib) <= free.memory_mib:
            break
        room = 0 if request.exclusive or request.mem_per_node_mib >= 0 else room - 1
    return room


def _gpus_each(request: Request, need: Need) -> int:
    if request.gpus_per_node:
        return request.gpus_per_node
    return math.ceil(request.gpus / max(1, need.min_nodes)) if request.gpus else 0


def _choose(
    candidates: list[tuple[Free, int]], need: Need, fixed: int
) -> list[tuple[Free, int]] | None:
    chosen: list[tuple[Free, int]] = []
    room = 0
    for pair in candidates:
        if len(chosen) >= max(need.min_nodes, fixed) and room >= need.tasks:
            break
        if need.max_nodes and len(chosen) >= need.max_nodes:
            break
        chosen.append(pair)
        room += pair[1]
    if len(chosen) < need.min_nodes or room < need.tasks:
        return None
    return chosen


def _share(
    request: Request, need: Need, chosen: list[tuple[Free, int]], default_per_cpu_mib: int
) -> list[Share]:
    counts = [1] * len(chosen)
    left = max(0, need.tasks - len(chosen))
    for index, (_free, room) in enumerate(chosen):
        more = min(left, room - 1)
        counts[index] += more
        left -= more
    shares = []
    gpus_each = _gpus_each(request, need)
    for (free, _room_here), tasks in zip(chosen, counts, strict=True):
        cpus = free.total_cpus if request.exclusive else tasks * need.cpus_per_task
        gpus = gpus_each or tasks * request.gpus_per_task
        memory = memory_on(request, cpus, free, default_per_cpu_mib)
        given = free.gpus if request.exclusive else free.gpus[:gpus]
        whole = request.exclusive and not request.ntasks and not request.ntasks_per_node
        count = cpus // need.cpus_per_task if whole else tasks
        shares.append(Share(free.name, cpus, memory, count, given))
    shares.sort(key=lambda share: [free.name for free, _ in chosen].index(share.node))
    return shares
