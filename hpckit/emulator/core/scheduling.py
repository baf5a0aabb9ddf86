"""Decide which job starts on which nodes: order, reasons, backfill and preemption.

Order: partition's priority tier, then priority (which falls with each submission). A job that
does not fit gets the earliest time at which it will; later jobs go ahead of it only when they
do not delay that (sched/backfill). Reasons: squeue(1) *JOB REASON CODES*.
"""

from __future__ import annotations

import math

from hpckit.emulator.config import PartitionConfig
from hpckit.emulator.core import allocation, dependency, hostlist, placement, running
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.core.model import COMPLETING, RUNNING, Job, Share
from hpckit.emulator.core.placement import Free

UNAVAILABLE = (
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
)


class _Reservation:
    """Nodes kept for the first job that does not fit, until it can start."""

    def __init__(self, start: float, nodes: set[str]) -> None:
        self.start, self.nodes = start, nodes

    def allows(self, shares: list[Share], end: float) -> bool:
        return end <= self.start or not self.nodes.intersection(s.node for s in shares)


def start_what_fits(machine: Machine, now: float) -> None:
    """Look at every pending job once, in order, and start what fits."""
    reservations: dict[str, _Reservation] = {}
    for job in _in_order(machine):
        reason = _not_eligible(machine, job, now)
        if not reason:
            if job.eligible is None:
                job.eligible = now
                machine.dirty.add(job.job_id)
            reason = _try(machine, job, reservations, now)
        if reason and reason != job.reason:
            job.reason = reason
            machine.dirty.add(job.job_id)


def _in_order(machine: Machine) -> list[Job]:
    def key(job: Job) -> tuple[int, int, int, int]:
        tier = max(p.priority_tier for p in machine.partitions_of(job))
        return (-tier, -job.priority, job.array_job_id or job.job_id, job.array_task_id)

    return sorted((machine.jobs[i] for i in machine.queue), key=key)


def _not_eligible(machine: Machine, job: Job, now: float) -> str:
    if job.hold:
        return job.hold
    if job.dependency:
        if job.dependency_failed:
            return "DependencyNeverSatisfied"
        state = dependency.check(job, machine.named, machine.jobs.values(), now)
        if state == dependency.NEVER:
            job.dependency_failed = True
            if job.request.kill_invalid_dependency:
                running.cancel_pending(machine, job, now, by=job.request.uid)
            return "DependencyNeverSatisfied"
        if state == dependency.WAITING:
            return "Dependency"
        job.dependency = ""
    if now < max(job.request.begin, job.not_before):
        return "BeginTime"
    return ""


def _try(machine: Machine, job: Job, reservations: dict[str, _Reservation], now: float) -> str:
    """Start a job, or all tasks of an array that fit; return the reason why some still wait."""
    while True:
        if _throttled(machine, job):
            return "JobArrayTaskLimit"
        reason = ""
        for partition in machine.partitions_of(job):
            found = _place(machine, job, partition, reservations, now)
            if isinstance(found, str):
                reason = reason or found
                continue
            last = len(job.waiting) <= 1
            started = machine.split(job, job.waiting[0]) if job.waiting else job
            running.start(machine, started, found, partition, now)
            if last:
                return ""
            break
        else:
            return reason


def _throttled(machine: Machine, job: Job) -> bool:
    if not job.array_limit:
        return False
    family = machine.arrays.get(job.array_job_id, [])
    busy = sum(i in machine.active for i in family)
    return busy >= job.array_limit


def _place(
    machine: Machine,
    job: Job,
    partition: PartitionConfig,
    reservations: dict[str, _Reservation],
    now: float,
) -> list[Share] | str:
    if not partition.up:
        return "PartitionDown"
    limit = allocation.limit_of(job, partition)
    if partition.max_time_min >= 0 and not 0 <= limit <= partition.max_time_min:
        return "PartitionTimeLimit"
    need = placement.need_of(job.request)
    if 0 <= partition.max_nodes < need.min_nodes:
        return "PartitionNodeLimit"
    if machine.too_large(need, partition):
        return "PartitionConfig"
    nodes = [n for n in machine.candidates(job.request, partition) if n.usable]
    per_cpu = machine.default_memory_per_cpu_mib
    shares = placement.place(job.request, [Free.now(n) for n in nodes], per_cpu)
    end = now + 60 * limit if limit >= 0 else math.inf
    reserved = reservations.get(partition.name)
    if shares is not None and (reserved is None or reserved.allows(shares, end)):
        return shares
    if placement.place(job.request, [Free.empty(n) for n in nodes], per_cpu) is None:
        closed = [n for n in job.request.nodelist if not machine.nodes[n].usable]
        if closed:
            return f"ReqNodeNotAvail, UnavailableNodes:{hostlist.compress(closed)}"
        return UNAVAILABLE
    if reserved is not None:
        return "Priority"
    reservations[partition.name] = _reserve(machine, job, partition, now)
    _preempt_for(machine, job, partition, now)
    return "Resources"


def _reserve(machine: Machine, job: Job, partition: PartitionConfig, now: float) -> _Reservation:
    """Return when and where a job can start, given the time limits of what runs."""
    nodes = [n for n in machine.candidates(job.request, partition) if n.usable]
    frees = {n.name: Free.now(n) for n in nodes}
    leaving = sorted(
        (machine.jobs[i] for i in machine.active),
        key=lambda j: now if j.state == COMPLETING else (j.end_by or math.inf),
    )
    for other in leaving:
        _give_back(frees, other)
        found = placement.place(
            job.request, list(frees.values()), machine.default_memory_per_cpu_mib
        )
        if found is not None:
            when = now if other.state == COMPLETING else (other.end_by or math.inf)
            return _Reservation(max(when, now), {share.node for share in found})
    return _Reservation(math.inf, set())


def _give_back(frees: dict[str, Free], job: Job) -> None:
    for share in job.shares:
        free = frees.get(share.node)
        if free is not None:
            free.cpus += share.cpus
            free.memory_mib += share.memory_mib
            free.gpus = tuple(sorted(free.gpus + share.gpus))
            if job.request.exclusive:
                free.closed = free.busy = False
            if free.cpus >= free.total_cpus:
                free.busy = False


def _preempt_for(machine: Machine, job: Job, partition: PartitionConfig, now: float) -> None:
    """Preempt jobs of lower tiers whose end makes room for this one."""
    nodes = [n for n in machine.candidates(job.request, partition) if n.usable]
    frees = {n.name: Free.now(n) for n in nodes}
    victims: list[Job] = []
    for other in (machine.jobs[i] for i in sorted(machine.active)):
        if other.state == COMPLETING or other.preempt_at is not None:
            _give_back(frees, other)
        elif _may_preempt(machine, other, partition):
            victims.append(other)
    per_cpu = machine.default_memory_per_cpu_mib
    if placement.place(job.request, list(frees.values()), per_cpu) is not None:
        return  # the jobs that already end make enough room
    victims.sort(key=lambda j: (-(j.start or 0.0), -j.job_id))  # the youngest job loses least work
    chosen = []
    for victim in victims:
        if not any(share.node in frees for share in victim.shares):
            continue
        _give_back(frees, victim)
        chosen.append(victim)
        if placement.place(job.request, list(frees.values()), per_cpu) is not None:
            for one in chosen:
                running.preempt(machine, one, now)
            return


def _may_preempt(machine: Machine, victim: Job, partition: PartitionConfig) -> bool:
    theirs = machine.partitions[victim.partition]
    lower = theirs.priority_tier < partition.priority_tier
    return victim.state == RUNNING and lower and theirs.preempt
