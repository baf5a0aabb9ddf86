"""A job from its start to its end: limits, warnings, preemption, requeues.

Which processes get which signal (found on a real 22.05):

- at the end of a time limit and on ``scancel``: CONT and TERM to the tasks of all steps and the
  batch shell, and KILL to every process after KillWait;
- preemption: CONT and TERM to the tasks of every step but the batch step; at the end of
  the grace time all are ended and the job is requeued;
- ``--signal=USR2@N``: to the steps, not to the batch shell; with ``B:`` to that shell alone.

With proctrack/linuxproc all descendants of a task get the same signals.
"""

from __future__ import annotations

import math
import signal
from typing import Any

from hpckit.emulator.config import PartitionConfig
from hpckit.emulator.core import allocation, formats
from hpckit.emulator.core.effects import KillStep, Launch, Signal, StepOver
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.core.model import (  # fmt: skip
    BATCH,
    CANCELLED,
    COMPLETED,
    COMPLETING,
    FAILED,
    NODE_FAIL,
    OOM_EXIT,
    OUT_OF_MEMORY,
    PENDING,
    PREEMPTED,
    RUNNING,
    TIMEOUT,
    Job,
    Share,
    Step,
    to_json,
)

_STOP = (int(signal.SIGCONT), int(signal.SIGTERM))
_KILL = (int(signal.SIGKILL),)
_END_REASON = {TIMEOUT: "TimeLimit", FAILED: "NonZeroExitCode", OUT_OF_MEMORY: "OutOfMemory"}
_WHY = {
    TIMEOUT: " DUE TO TIME LIMIT", PREEMPTED: " DUE TO PREEMPTION",
    NODE_FAIL: " DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS",
    "REQUEUED": " DUE TO JOB REQUEUE",
}  # fmt: skip


def start(
    machine: Machine, job: Job, shares: list[Share], partition: PartitionConfig, now: float
) -> None:
    """Give a job its nodes and start its batch script on the first of them."""
    job.time_limit_min = allocation.limit_of(job, partition)
    job.partition = partition.name
    job.shares, job.start, job.state, job.reason = shares, now, RUNNING, "None"
    job.eligible = job.eligible if job.eligible is not None else now
    allocation.occupy(machine.nodes, job)
    machine.queue.discard(job.job_id)
    machine.active.add(job.job_id)
    machine.touch(job)
    if not job.request.interactive:
        head = shares[0]
        step = Step(BATCH, BATCH, [head.node], [[0]], [0], now, live=[head.node])
        step.memory_mib = head.memory_mib
        job.steps[BATCH] = step
        machine.effects.append(Launch(job.job_id, job.restarts, BATCH, head.node))


# -- signals -------------------------------------------------------------------------------


def signal_steps(
    machine: Machine, job: Job, signals: tuple[int, ...], *, batch: bool, note: str = ""
) -> int:
    """Send signals to all processes of a job's steps; return how many steps were there."""
    count = 0
    for step in job.steps.values():
        if step.step_id == BATCH and not batch:
            continue
        count += signal_step(machine, job, step, signals, note=note)
    return count


def signal_step(
    machine: Machine, job: Job, step: Step, signals: tuple[int, ...], *, note: str = "",
    group: bool = False,
) -> int:  # fmt: skip
    """Send signals to one step; return 1 if it is running."""
    for node in step.live:
        machine.effects.append(
            Signal(job.job_id, job.restarts, step.step_id, node, signals, note=note, group=group)
        )
    return int(bool(step.live))


def signal_batch_shell(machine: Machine, job: Job, signals: tuple[int, ...]) -> bool:
    """Send signals to the batch shell alone; return True if there is one."""
    step = job.steps.get(BATCH)
    if step is None or not step.live:
        return False
    machine.effects.append(
        Signal(job.job_id, job.restarts, BATCH, step.live[0], signals, shell_only=True)
    )
    return True


# -- time ----------------------------------------------------------------------------------


def due_times(machine: Machine, job: Job) -> list[float]:
    """Return the times at which `enforce` has something to do for an active job."""
    times = [] if job.killed or job.kill_at is None else [job.kill_at]
    if job.state == RUNNING:
        if job.end_by is not None:
            times.append(job.end_by)
            if job.request.warn_signal and not job.warned:
                times.append(job.end_by - job.request.warn_lead_s)
        if job.preempt_at is not None:
            times.append(job.preempt_at)
    for step in job.steps.values():
        times += [t for t in (step.wait_until, step.kill_at) if t is not None and step.live]
    return times


def enforce(machine: Machine, job: Job, now: float) -> None:
    """Do what is due for an active job: warnings, limits, ends of grace, KILL after TERM."""
    _enforce_steps(machine, job, now)
    if job.state == RUNNING:
        end_by = job.end_by if job.end_by is not None else math.inf
        request = job.request
        if request.warn_signal and not job.warned and now >= end_by - request.warn_lead_s:
            job.warned = True
            signals = (int(signal.SIGCONT), request.warn_signal)
            if request.warn_batch:
                signal_batch_shell(machine, job, signals)
            else:
                signal_steps(machine, job, signals, batch=False)
        if job.preempt_at is not None and now >= job.preempt_at:
            terminate(machine, job, PREEMPTED, now, requeue=request.requeue)
        elif now >= end_by:
            terminate(machine, job, TIMEOUT, now)
    if job.kill_at is not None and not job.killed and now >= job.kill_at:
        job.killed = True
        signal_steps(machine, job, _KILL, batch=True)


def _enforce_steps(machine: Machine, job: Job, now: float) -> None:
    for step in job.steps.values():
        if step.wait_until is not None and now >= step.wait_until and step.live:
            step.wait_until = None
            _end_stragglers(machine, job, step)
        if step.kill_at is not None and now >= step.kill_at and step.live:
            step.kill_at = None
            signal_step(machine, job, step, _KILL)


def stop_step(machine: Machine, job: Job, step: Step, now: float) -> None:
    """End one step: TERM now, KILL after KillWait."""
    if step.kill_at is None:
        stamp = formats.stamp(now)
        note = f"*** STEP {job.job_id}.{step.step_id} ON {{node}} CANCELLED AT {stamp} ***"
        signal_step(machine, job, step, _STOP, note=note)
        step.kill_at = now + machine.config.kill_wait_s


def _end_stragglers(machine: Machine, job: Job, step: Step) -> None:
    name = f"StepId={job.job_id}.{step.step_id}"
    lines = [f"First task exited {step.wait_s}s ago"]
    tasks = sorted(task for tasks in step.tasks for task in tasks)
    lines += [f"{name} task {t}: running" for t in tasks if str(t) not in step.status]
    lines += [f"{name} task {t}: exited" for t in tasks if str(t) in step.status]
    lines += [f"launch/slurm: _step_signal: Terminating {name}", aborting(machine)]
    step.notices.append(lines)
    signal_step(machine, job, step, _KILL)


def aborting(machine: Machine) -> str:
    """Return the message of an srun whose step is ended from outside."""
    wait = int(machine.config.kill_wait_s) + 2
    return f"Job step aborted: Waiting up to {wait} seconds for job step to finish."


# -- ends ----------------------------------------------------------------------------------


def terminate(
    machine: Machine, job: Job, final: str, now: float, *, requeue: bool = False, why: str = ""
) -> None:
    """End a running job: TERM to all its processes, KILL after KillWait, then `final`."""
    if job.state != RUNNING:
        return
    job.state, job.ending, job.end = COMPLETING, final, now
    job.requeue_after = requeue
    job.kill_at = now + machine.config.kill_wait_s
    stamp = formats.stamp(now)
    for step in job.steps.values():
        what = "JOB" if step.step_id == BATCH else "STEP"
        name = f"{job.job_id}" if step.step_id == BATCH else f"{job.job_id}.{step.step_id}"
        note = f"*** {what} {name} ON {{node}} CANCELLED AT {stamp}{_WHY.get(why or final, '')} ***"
        _abort(machine, step)
        signal_step(machine, job, step, _STOP, note=note)
    machine.touch(job)
    _finish_if_empty(machine, job, now)


def _abort(machine: Machine, step: Step) -> None:
    if step.live and not step.cancelled:
        step.cancelled = True
        step.notices.append([aborting(machine)])


def step_node_over(  # noqa: PLR0913, PLR0917 - a report names where it comes from
    machine: Machine, job_id: int, restart: int, step_id: str, node: str, report: dict[str, Any],
    now: float,
) -> None:  # fmt: skip
    """Record that all processes of a step on one node have ended.

    Args:
        report: ``status`` {task: [code, signal]}, ``max_rss_kib``, ``user_s``, ``system_s``,
            ``oom``: as the step daemon counted them; all may be missing.
    """
    job = machine.jobs.get(job_id)
    step = job.steps.get(step_id) if job is not None and job.restarts == restart else None
    if job is None or step is None or node not in step.live:
        return
    step.live.remove(node)
    step.status.update(report.get("status", {}))
    if report.get("max_rss_kib", 0) > step.max_rss_kib:
        step.max_rss_kib, step.max_rss_node = report["max_rss_kib"], node
    step.user_s += report.get("user_s", 0.0)
    step.system_s += report.get("system_s", 0.0)
    if report.get("oom"):
        job.oom = job.oom or step_id == BATCH
        step.state = OUT_OF_MEMORY
    if not step.live:
        _step_over(machine, job, step, now)
    machine.touch(job)
    _finish_if_empty(machine, job, now)


def _step_over(machine: Machine, job: Job, step: Step, now: float) -> None:
    step.end = now
    status = step.exit_status()
    if step.state == RUNNING:
        if step.cancelled or status[1]:  # sacct shows a step that a signal ended as CANCELLED
            step.state = CANCELLED
        else:
            step.state = FAILED if status[0] else COMPLETED
    if step.step_id != BATCH:
        worst = max(job.derived_status, status)
        job.derived_status = worst
    machine.effects.append(StepOver(job.job_id, job.restarts, step.step_id))
    if step.step_id == BATCH and job.state == RUNNING:
        end_job(machine, job, status, now)


def end_job(machine: Machine, job: Job, status: tuple[int, int], now: float) -> None:
    """End the rest of a job whose batch script (or srun's own allocation) is over."""
    if job.state != RUNNING:
        return
    job.exit_status = status
    final = COMPLETED if status == (0, 0) else FAILED
    if job.oom:
        final, job.exit_status = OUT_OF_MEMORY, OOM_EXIT
    job.state, job.ending, job.end = COMPLETING, final, now
    job.kill_at = now + machine.config.kill_wait_s
    for step in job.steps.values():
        _abort(machine, step)
        stamp = formats.stamp(now)
        note = f"*** STEP {job.job_id}.{step.step_id} ON {{node}} CANCELLED AT {stamp} ***"
        signal_step(machine, job, step, _STOP, note=note)
    machine.touch(job)
    _finish_if_empty(machine, job, now)


def _finish_if_empty(machine: Machine, job: Job, now: float) -> None:
    if job.state != COMPLETING or any(step.live for step in job.steps.values()):
        return
    allocation.release(machine.nodes, job)
    machine.active.discard(job.job_id)
    job.state = job.ending
    job.kill_at = job.preempt_at = None
    if job.requeue_after:
        requeue(machine, job, now)
    else:
        _over(machine, job, now)


def _over(machine: Machine, job: Job, now: float) -> None:
    job.end = job.end if job.end is not None else now
    job.reason = _END_REASON.get(job.state, "None")
    machine.finished.append((now, job.job_id, job.restarts))
    machine.touch(job)


def requeue(machine: Machine, job: Job, now: float) -> None:
    """Put an ended job back into the queue under its id; accounting keeps the old incarnation."""
    machine.retired.append(to_json(job))
    machine.queue.add(job.job_id)
    job.restarts += 1
    job.state, job.ending, job.reason = PENDING, "", "BeginTime"
    job.not_before = now + machine.config.requeue_delay_s
    job.eligible = job.start = job.end = job.kill_at = job.preempt_at = None
    job.shares, job.steps, job.lost_nodes, job.next_step = [], {}, [], 0
    job.requeue_after = job.warned = job.killed = job.oom = False
    job.exit_status = job.derived_status = (0, 0)
    job.time_limit_min = job.request.time_limit_min
    if job.hold_after:
        job.hold, job.hold_after, job.priority = "job requeued in held state", False, 0
        job.reason = job.hold
    machine.touch(job)


def cancel_pending(machine: Machine, job: Job, now: float, *, by: int) -> None:
    """Cancel a pending job (for an array: all its pending tasks)."""
    machine.queue.discard(job.job_id)
    job.state, job.cancelled_by = CANCELLED, by
    job.end = now
    _over(machine, job, now)


def preempt(machine: Machine, job: Job, now: float, *, grace_s: float | None = None) -> None:
    """Preempt a job: warn its steps, and end it after the grace time."""
    grace = machine.partitions[job.partition].grace_s if grace_s is None else grace_s
    if grace <= 0:
        terminate(machine, job, PREEMPTED, now, requeue=job.request.requeue)
        return
    job.preempt_at = now + grace
    signal_steps(machine, job, _STOP, batch=False)
    machine.touch(job)


# -- nodes ---------------------------------------------------------------------------------


def node_died(machine: Machine, name: str, now: float, *, reason: str = "") -> None:
    """Lose a node: its processes end at once, the controller notices later."""
    node = machine.nodes[name]
    for job_id in node.jobs:
        job = machine.jobs[job_id]
        for step in job.steps.values():
            if name in step.live:
                machine.effects.append(KillStep(job_id, job.restarts, step.step_id, name))
    if node.dead:
        return
    node.dead = True
    node.reason = reason or "Not responding"
    node.reason_at = now
    machine.pending_failures[name] = now + machine.config.slurmd_timeout_s
    machine.stale = True


def node_noticed_dead(machine: Machine, name: str, now: float) -> None:
    """Mark a lost node down, and end or shrink the jobs on it."""
    node = machine.nodes[name]
    node.dead = node.down = True
    machine.stale = True
    for job_id in sorted(node.jobs):
        job = machine.jobs[job_id]
        keeps = job.request.no_kill and job.nodes[0] != name and len(job.shares) > 1
        for step in list(job.steps.values()):
            if name in step.live:
                _end_lost_step(machine, job, step, name, now)
        if keeps and job.state == RUNNING:
            job.lost_nodes.append(name)
            machine.touch(job)
            continue
        terminate(machine, job, NODE_FAIL, now, requeue=job.request.requeue)
        _finish_if_empty(machine, job, now)


def _end_lost_step(machine: Machine, job: Job, step: Step, name: str, now: float) -> None:
    lost = step.tasks[step.nodes.index(name)]
    report = {"status": {str(task): [0, 9] for task in lost if str(task) not in step.status}}
    if step.step_id == BATCH:
        step.cancelled = True
        step.live.remove(name)
        step.end, step.state = now, NODE_FAIL
        return
    step.state = NODE_FAIL
    if not step.no_kill:
        others = [node for node in step.live if node != name]
        if others and step.kill_at is None:
            stop_step(machine, job, step, now)
    step_node_over(machine, job.job_id, job.restarts, step.step_id, name, report, now)
