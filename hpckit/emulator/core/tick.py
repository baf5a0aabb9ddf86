"""One tick of the state machine: do what is due now, and find out when the next is due."""

from __future__ import annotations

from collections.abc import Iterator

from hpckit.emulator.core import dependency, running, scheduling
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.core.model import FINAL, Job


def advance(machine: Machine, now: float) -> None:
    """Do everything that is due at `now`, then start the jobs that fit."""
    for name, when in list(machine.pending_failures.items()):
        if now >= when:
            del machine.pending_failures[name]
            running.node_noticed_dead(machine, name, now)
    for job_id in sorted(machine.active):
        running.enforce(machine, machine.jobs[job_id], now)
    _forget(machine, now)
    if machine.stale or _something_due(machine, now):
        machine.stale = False
        scheduling.start_what_fits(machine, now)
        machine.stale = False


def _something_due(machine: Machine, now: float) -> bool:
    return any(0 < when <= now for when in _waiting_times(machine))


def _waiting_times(machine: Machine) -> Iterator[float]:
    for job_id in machine.queue:
        job = machine.jobs[job_id]
        if job.eligible is None and not job.hold:
            yield max(job.request.begin, job.not_before)
        if "+" in job.dependency:
            yield from _delayed_starts(machine, job)


def _forget(machine: Machine, now: float) -> None:
    age = machine.config.min_job_age_s
    while machine.finished and machine.finished[0][0] + age <= now:
        _, job_id, restart = machine.finished.popleft()
        job = machine.jobs.get(job_id)
        if job is None or job.state not in FINAL or job.restarts != restart:
            continue
        family = machine.arrays.get(job.array_job_id)
        if family is not None:
            if any(machine.jobs[i].state not in FINAL for i in family if i in machine.jobs):
                machine.finished.append((now, job_id, restart))
                break
            family.remove(job_id)
            if not family:
                del machine.arrays[job.array_job_id]
        del machine.jobs[job_id]


def deadline(machine: Machine, now: float) -> float | None:
    """Return when `advance` has to be called next, or None when only events matter."""
    times = list(machine.pending_failures.values())
    for job_id in machine.active:
        times += running.due_times(machine, machine.jobs[job_id])
    times += [when for when in _waiting_times(machine) if when > now]
    if machine.finished:
        times.append(machine.finished[0][0] + machine.config.min_job_age_s)
    return min(times, default=None)


def _delayed_starts(machine: Machine, job: Job) -> Iterator[float]:
    """Yield the times at which ``after:ID+minutes`` conditions come true."""
    conditions, _ = dependency.parse(job.dependency)
    for condition in conditions:
        for other in machine.named(condition) if condition.delay_min else ():
            began = other.start if other.start is not None else other.end
            if began is not None:
                yield began + 60 * condition.delay_min
