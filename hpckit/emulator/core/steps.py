"""The steps that srun asks for: their nodes, their tasks, and what happens as tasks end.

Source: srun(1) ``--ntasks``, ``--distribution``, ``--exact``, ``--overlap``,
``--kill-on-bad-exit``, ``--wait``.
"""

from __future__ import annotations

import signal

from hpckit.emulator.core import running, step_gpus
from hpckit.emulator.core.effects import Launch
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.core.model import BATCH, RUNNING, Job, Step, StepRequest
from hpckit.emulator.core.refusal import Refusal


def create(machine: Machine, job: Job, request: StepRequest, now: float) -> Step:
    """Start a step within a job's allocation.

    Raises:
        Refusal: the step can never fit (``too_many_nodes``, ``impossible``, ``gres``), the job is
            over, or its CPUs or GPUs are ``busy`` with other steps: then srun asks again later.
    """
    if job.state != RUNNING:
        raise Refusal("pending" if job.start is None else "expired")
    nodes = _nodes(job, request)
    step_gpus.check(job, request)
    width = request.cpus_per_task or 1
    ntasks = request.ntasks or (request.ntasks_per_node or 1) * _wanted(request, nodes)
    nodes = _narrow(job, request, nodes, ntasks, width)
    room = [len(_cpus_left(job, node, request)) // width for node in nodes]
    layout = _layout(request, room, ntasks, [job.share_of(n).cpus // width for n in nodes])
    used = [(node, tasks) for node, tasks in zip(nodes, layout, strict=True) if tasks]
    whole = not (request.exact or request.cpus_per_task or request.overlap)
    step = Step(
        str(job.next_step), request.name, [node for node, _ in used], _number(request, layout),
        [job.share_of(node).cpus if whole else tasks * width for node, tasks in used], now,
        memory_mib=request.memory_mib, cpus_per_task=width, overlap=request.overlap,
        kill_on_bad_exit=request.kill_on_bad_exit, no_kill=request.no_kill, wait_s=request.wait_s,
    )  # fmt: skip
    step.distribution = "cyclic" if _is_cyclic(request, layout) else "block"
    step.gpu_ids, step.gpus_per_task = step_gpus.give(job, step, request), request.gpus_per_task
    step.live = list(step.nodes)
    job.next_step += 1
    job.steps[step.step_id] = step
    for node in step.nodes:
        machine.effects.append(Launch(job.job_id, job.restarts, step.step_id, node))
    machine.dirty.add(job.job_id)
    return step


def _wanted(request: StepRequest, nodes: list[str]) -> int:
    return request.max_nodes or request.min_nodes or len(nodes)


def _nodes(job: Job, request: StepRequest) -> list[str]:
    """Return the job's nodes that the step may use, those of ``-w`` first."""
    unknown_pids = [n for n in request.nodelist if n not in job.nodes]
    if unknown_pids:
        raise Refusal("impossible")
    alive = [n for n in job.nodes if n not in job.lost_nodes and n not in request.exclude]
    if any(n not in alive for n in request.nodelist):
        raise Refusal("impossible")
    rest = [n for n in alive if n not in request.nodelist]
    if request.nodelist and not request.min_nodes:
        return list(request.nodelist)
    nodes = [n for n in alive if n in request.nodelist] + rest
    if request.min_nodes > len(nodes):
        text = f"Only allocated {len(nodes)} nodes asked for {request.min_nodes}"
        raise Refusal("too_few_nodes", text)
    return nodes


def _narrow(job: Job, request: StepRequest, nodes: list[str], ntasks: int, width: int) -> list[str]:
    """Return as many nodes as the step takes, those with room first; without ``-N``, as few."""
    count = request.max_nodes or request.min_nodes or max(1, min(len(nodes), ntasks))
    if count >= len(nodes):
        chosen = nodes
    else:
        named = [n for n in nodes if n in request.nodelist]
        others = [n for n in nodes if n not in request.nodelist]
        others.sort(key=lambda n: len(_cpus_left(job, n, request)) < width)
        chosen = (named + others)[:count]
    order = {name: index for index, name in enumerate(job.nodes)}
    return sorted(chosen, key=lambda n: order[n])


def _cpus_left(job: Job, node: str, request: StepRequest) -> range:
    total = job.share_of(node).cpus
    if request.overlap:
        return range(total)
    taken = memory = 0
    for step in job.steps.values():
        if step.step_id != BATCH and not step.overlap and node in step.live:
            taken += step.cpus[step.nodes.index(node)]
            memory += max(0, step.memory_mib)
    if memory + max(0, request.memory_mib) > job.share_of(node).memory_mib:
        return range(0)
    whole = not (request.exact or request.cpus_per_task)
    return range(0 if whole and taken else max(0, total - taken))


def _layout(request: StepRequest, room: list[int], ntasks: int, total: list[int]) -> list[int]:
    """Return the number of tasks per node.

    Raises:
        Refusal: ``too_many_nodes`` if the job has too few CPUs, ``busy`` if it has too few now.
    """
    if request.overcommit:
        room = total = [max(ntasks, 1)] * len(room)
    if request.ntasks_per_node:
        room = [min(r, request.ntasks_per_node) for r in room]
        total = [min(t, request.ntasks_per_node) for t in total]
    if sum(total) < ntasks or (ntasks >= len(total) and min(total, default=0) < 1):
        raise Refusal("too_many_nodes")
    if sum(room) < ntasks or (ntasks >= len(room) and min(room, default=0) < 1):
        raise Refusal("busy")
    return _fill(room, ntasks, cyclic=request.distribution.startswith("cyclic"))


def _fill(room: list[int], ntasks: int, *, cyclic: bool) -> list[int]:
    """Return the number of tasks per node: one each first, then round the nodes or in blocks."""
    counts = [0] * len(room)
    left = ntasks
    for index, space in enumerate(room):
        if left and space:
            counts[index] = 1
            left -= 1
    if cyclic:
        while left:
            for index, space in enumerate(room):
                if left and counts[index] < space:
                    counts[index] += 1
                    left -= 1
        return counts
    for index, space in enumerate(room):
        more = min(left, space - counts[index])
        counts[index] += more
        left -= more
    return counts


def _is_cyclic(request: StepRequest, layout: list[int]) -> bool:
    """Return True if tasks go round the nodes: if requested, or if each node has one task."""
    used = sum(1 for count in layout if count)
    return request.distribution.startswith("cyclic") or (
        sum(layout) <= used and not request.distribution.startswith("block")
    )


def _number(request: StepRequest, layout: list[int]) -> list[list[int]]:
    """Return the global task ids per node (nodes without tasks left out)."""
    counts = [count for count in layout if count]
    total = sum(counts)
    cyclic = _is_cyclic(request, layout)
    tasks: list[list[int]] = [[] for _ in counts]
    if not cyclic:
        first = 0
        for index, count in enumerate(counts):
            tasks[index] = list(range(first, first + count))
            first += count
        return tasks
    task = 0
    while task < total:
        for index, count in enumerate(counts):
            if len(tasks[index]) < count:
                tasks[index].append(task)
                task += 1
    return tasks


def task_over(
    machine: Machine, job_id: int, restart: int, step_id: str, status: dict[str, list[int]],
    now: float,
) -> None:  # fmt: skip
    """Record ended tasks of a step, and act on ``--kill-on-bad-exit`` and ``--wait``."""
    job = machine.jobs.get(job_id)
    if job is None or job.restarts != restart or step_id not in job.steps:
        return
    step = job.steps[step_id]
    first = not step.status
    step.status.update(status)
    if len(step.status) >= step.task_count() or step_id == BATCH:
        return
    bad = any(code or signo for code, signo in status.values())
    if bad and step.kill_on_bad_exit and step.kill_at is None:
        name = f"StepId={job.job_id}.{step.step_id}"
        step.notices.append([f"launch/slurm: _step_signal: Terminating {name}"])
        running.signal_step(machine, job, step, (int(signal.SIGCONT), int(signal.SIGTERM)))
        step.kill_at, step.forced = now + machine.config.kill_wait_s, True
    elif first and step.wait_s:
        step.wait_until = now + step.wait_s
    machine.stale = True
