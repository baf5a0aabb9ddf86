"""Changes that users and operators make to jobs and nodes: scancel and scontrol.

Sources: scancel(1), scontrol(1).
"""

from __future__ import annotations

import signal
from typing import Any

from hpckit.emulator.core import dependency, formats, hostlist, running
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.core.model import BATCH, CANCELLED, FINAL, PENDING, RUNNING, Job
from hpckit.emulator.core.refusal import Refusal


def select(machine: Machine, text: str) -> list[tuple[Job, list[int]]]:
    """Return the jobs that ``7``, ``7_3`` or ``7_[1-3,5]`` names, and which waiting tasks.

    Raises:
        Refusal: there is no such job.
    """
    body, underscore, tasks = text.partition("_")
    if not body.isdigit():
        raise Refusal("invalid_job")
    job_id = int(body)
    if not underscore:
        found = machine.jobs_of(job_id)
        if not found:
            raise Refusal("invalid_job")
        return [(job, list(job.waiting)) for job in found]
    wanted = _indices(tasks)
    chosen: list[tuple[Job, list[int]]] = []
    for job in machine.jobs_of(job_id):
        if job.array_task_id in wanted:
            chosen.append((job, []))
        elif held := [i for i in job.waiting if i in wanted]:
            chosen.append((job, held))
    if not chosen:
        raise Refusal("invalid_job")
    return chosen


def _indices(text: str) -> set[int]:
    from hpckit.emulator.core import arrays

    try:
        return set(arrays.parse(text, 4_000_001)[0])
    except ValueError:
        raise Refusal("invalid_job") from None


# -- scancel -------------------------------------------------------------------------------


def cancel(machine: Machine, message: dict[str, Any], now: float) -> dict[str, Any]:
    """End or signal jobs and steps; return ``{"done": [...], "errors": [[job, code, text]]}``.

    Args:
        message: ``jobs`` (texts such as ``7``, ``7_3``, ``7.0``), ``filters``, ``signal``
            (0: end), ``batch``, ``full``, ``uid``.
    """
    done: list[str] = []
    errors: list[list[str]] = []
    targets: list[str] = message.get("jobs", [])
    if not targets and message.get("filters"):
        targets = [str(j.job_id) if not j.is_array else _own_label(j)
                   for j in list(machine.jobs.values()) if j.state not in FINAL]  # fmt: skip
    for text in targets:
        try:
            done += _cancel_one(machine, text, message, now)
        except Refusal as refusal:
            errors.append([text, refusal.code, refusal.text])
    return {"done": done, "errors": errors}


def _own_label(job: Job) -> str:
    if job.waiting:
        return f"{job.array_job_id}_[{','.join(str(i) for i in job.waiting)}]"
    return job.label()


def _cancel_one(machine: Machine, text: str, message: dict[str, Any], now: float) -> list[str]:
    name, dot, step_id = text.partition(".")
    chosen = select(machine, name)
    if dot:
        return _cancel_step(machine, chosen[0][0], step_id, message, now)
    living = [(job, tasks) for job, tasks in chosen if job.state not in FINAL]
    if not living:
        raise Refusal("finished" if message["signal"] == 0 else "invalid_job")
    done = []
    for job, tasks in living:
        if not _matches(job, message.get("filters", {})):
            continue
        done.append(job.label())
        if job.state == PENDING:
            if message["signal"] in (0, int(signal.SIGKILL), int(signal.SIGTERM)):
                _cancel_waiting(machine, job, tasks, message["uid"], now)
            elif len(living) == 1:
                raise Refusal("pending")
        elif _ends(message):
            job.cancelled_by = message["uid"]
            if job.requeue_after:  # it was about to be requeued
                job.requeue_after, job.ending = False, CANCELLED
            running.terminate(machine, job, CANCELLED, now)
        else:
            _signal(machine, job, message, now)
    return done


def _ends(message: dict[str, Any]) -> bool:
    """Return True if a signal ends a whole job: SIGKILL does, unless it is for the batch shell
    alone."""
    return message["signal"] == 0 or (
        message["signal"] == int(signal.SIGKILL) and not message.get("batch")
    )


def _matches(job: Job, filters: dict[str, Any]) -> bool:
    request = job.request
    checks = {
        "name": lambda v: request.name in v,
        "state": lambda v: job.state in v,
        "user": lambda v: request.user in v or str(request.uid) in v,
        "partition": lambda v: job.partition in v,
        "account": lambda v: (request.account or request.user) in v,
        "qos": lambda v: (request.qos or "normal") in v,
        "nodelist": lambda v: bool(set(job.nodes) & set(v)),
    }
    return all(checks[key](value) for key, value in filters.items() if key in checks)


def _cancel_waiting(machine: Machine, job: Job, tasks: list[int], uid: int, now: float) -> None:
    if not tasks or len(tasks) == len(job.waiting):
        running.cancel_pending(machine, job, now, by=uid)
        return
    job.waiting = [index for index in job.waiting if index not in tasks]
    machine.touch(job)


def _signal(machine: Machine, job: Job, message: dict[str, Any], now: float) -> None:
    signo = message["signal"]
    if message.get("batch"):
        running.signal_batch_shell(machine, job, (signo,))
        return
    full = bool(message.get("full"))
    note = ""
    for step in job.steps.values():
        if step.step_id == BATCH and not full:
            continue
        if signo == int(signal.SIGTERM):
            stamp = formats.stamp(now)
            note = f"*** STEP {job.job_id}.{step.step_id} ON {{node}} CANCELLED AT {stamp} ***"
        running.signal_step(machine, job, step, (signo,), note=note, group=step.step_id == BATCH)


def _cancel_step(
    machine: Machine, job: Job, step_id: str, message: dict[str, Any], now: float
) -> list[str]:
    step = job.steps.get(step_id)
    if step is None or not step.live:
        raise Refusal("invalid_job")
    if message["signal"] in (0, int(signal.SIGTERM), int(signal.SIGKILL)):
        step.forced = True
    if message["signal"] == 0:
        step.cancelled = True
        running.stop_step(machine, job, step, now)
    elif step_id == BATCH and message.get("batch"):
        running.signal_batch_shell(machine, job, (message["signal"],))
    else:
        running.signal_step(machine, job, step, (message["signal"],))
    return [f"{job.label()}.{step_id}"]


# -- scontrol ------------------------------------------------------------------------------


def change(machine: Machine, message: dict[str, Any], now: float) -> None:
    """Carry out one change: ``what`` names it, ``target`` the job, node or partition.

    Raises:
        Refusal: the target does not exist, or its state does not allow the change.
    """
    what, target = message["what"], message["target"]
    if what == "node_update":
        for name in hostlist.expand(target):
            _update_node(machine, name, message["values"], now)
        return
    if what == "partition_update":
        _update_partition(machine, target, message["values"])
        return
    for job, tasks in select(machine, target):
        one = machine.split(job, tasks[0]) if len(tasks) == 1 and len(job.waiting) > 1 else job
        _CHANGES[what](machine, one, message, now)
        machine.touch(one)


def _hold(machine: Machine, job: Job, message: dict[str, Any], now: float) -> None:
    if job.state in FINAL:
        raise Refusal("finished")
    if job.state == PENDING:
        job.hold = "JobHeldUser" if message.get("user", True) else "JobHeldAdmin"
        job.priority, job.reason = 0, job.hold


def _release(machine: Machine, job: Job, message: dict[str, Any], now: float) -> None:
    if job.state == PENDING and job.hold:
        job.hold, job.reason = "", "None"
        job.priority = _priority(job)


def _priority(job: Job) -> int:
    return 4294901759 - (job.array_job_id or job.job_id) + 1 - job.request.nice


def _requeue(machine: Machine, job: Job, message: dict[str, Any], now: float) -> None:
    if job.state == PENDING:
        raise Refusal("pending")
    if not job.request.requeue or job.request.interactive:
        raise Refusal("not_requeueable")
    job.hold_after = bool(message.get("hold"))
    if job.state == RUNNING:
        running.terminate(machine, job, "REQUEUED", now, requeue=True, why="REQUEUED")
    elif job.state in FINAL:
        running.requeue(machine, job, now)


def _update_job(machine: Machine, job: Job, message: dict[str, Any], now: float) -> None:
    for key, value in message["values"].items():
        setter = _JOB_SETTERS.get(key.lower())
        if setter is None:
            raise Refusal("update", f"Update of this parameter is not supported: {key}={value}")
        setter(machine, job, value, now)


def _set_limit(machine: Machine, job: Job, value: str, now: float) -> None:
    import dataclasses

    if job.state in FINAL:
        raise Refusal("finished")
    sign = value[:1] if value[:1] in "+-" else ""
    try:
        minutes = formats.parse_time_limit(value[len(sign) :])
    except ValueError:
        raise Refusal("time_limit") from None
    if sign:
        minutes = max(1, job.time_limit_min + (minutes if sign == "+" else -minutes))
    job.time_limit_min = minutes
    job.request = dataclasses.replace(job.request, time_limit_min=minutes)


def _set_request(field: str) -> Any:
    def setter(machine: Machine, job: Job, value: str, now: float) -> None:
        import dataclasses

        if field == "partitions":
            if value not in machine.partitions:
                raise Refusal("invalid_partition")
            if job.state != PENDING:
                raise Refusal("not_requeueable")
            job.partition = value
        changed: Any = (value,) if field == "partitions" else value
        if field == "requeue":
            changed = value not in ("0", "no")
        job.request = dataclasses.replace(job.request, **{field: changed})

    return setter


def _set_nice(machine: Machine, job: Job, value: str, now: float) -> None:
    import dataclasses

    nice = int(value)
    if job.priority:
        job.priority -= nice - job.request.nice
    job.request = dataclasses.replace(job.request, nice=nice)


def _set_nodes(machine: Machine, job: Job, value: str, now: float) -> None:
    import dataclasses

    if job.state != PENDING:
        raise Refusal("not_requeueable")
    try:
        least, most = formats.parse_node_count(value)
    except ValueError:
        raise Refusal("impossible") from None
    job.request = dataclasses.replace(job.request, min_nodes=least, max_nodes=most)


def _set_throttle(machine: Machine, job: Job, value: str, now: float) -> None:
    for one in machine.jobs_of(job.array_job_id):
        one.array_limit = int(value)
        machine.touch(one)


def _set_begin(machine: Machine, job: Job, value: str, now: float) -> None:
    import dataclasses

    try:
        job.request = dataclasses.replace(job.request, begin=formats.parse_begin(value, now))
    except ValueError:
        raise Refusal("begin", "Invalid time specification") from None
    job.not_before = 0.0
    job.eligible = None


def _set_dependency(machine: Machine, job: Job, value: str, now: float) -> None:
    try:
        dependency.parse(value)
    except ValueError:
        raise Refusal("dependency") from None
    job.dependency, job.dependency_failed = value, False


def _set_priority(machine: Machine, job: Job, value: str, now: float) -> None:
    job.priority = int(value)


_JOB_SETTERS: dict[str, Any] = {
    "timelimit": _set_limit, "arraytaskthrottle": _set_throttle, "starttime": _set_begin,
    "eligibletime": _set_begin, "dependency": _set_dependency, "priority": _set_priority,
    "name": _set_request("name"), "jobname": _set_request("name"),
    "comment": _set_request("comment"), "partition": _set_request("partitions"),
    "account": _set_request("account"), "nice": _set_nice, "qos": _set_request("qos"),
    "numnodes": _set_nodes,
    "requeue": _set_request("requeue"),
}  # fmt: skip
_CHANGES: dict[str, Any] = {
    "hold": _hold, "release": _release, "requeue": _requeue, "job_update": _update_job,
}  # fmt: skip


def _update_node(machine: Machine, name: str, values: dict[str, str], now: float) -> None:
    node = machine.nodes.get(name)
    if node is None:
        raise Refusal("invalid_node")
    given = {key.lower(): value for key, value in values.items()}
    state = given.get("state", "").upper()
    if state in ("DRAIN", "DOWN", "FAIL") and not given.get("reason"):
        text = "You must specify a reason when DOWNING or DRAINING a node. Request denied"
        raise Refusal("reason", text)
    if "reason" in given:
        node.reason, node.reason_at = given["reason"], now
    if state == "DRAIN":
        node.drain = True
    elif state == "DOWN":
        running.node_died(machine, name, now, reason=given["reason"])
        machine.pending_failures[name] = now
    elif state in ("RESUME", "IDLE", "UNDRAIN"):
        if name in machine.pending_failures:  # the node is back, but its processes are lost
            del machine.pending_failures[name]
            running.node_noticed_dead(machine, name, now)
        node.drain, node.reason = False, ""
        node.down = node.dead = node.down and state == "UNDRAIN"
    elif state:
        raise Refusal("state", f"Invalid node state specified: {state}")
    machine.stale = True


def _update_partition(machine: Machine, name: str, values: dict[str, str]) -> None:
    import dataclasses

    if name not in machine.partitions:
        raise Refusal("invalid_partition")
    for key, value in values.items():
        if key.lower() != "state" or value.upper() not in ("UP", "DOWN"):
            raise Refusal("update", f"Update of this parameter is not supported: {key}={value}")
        up = value.upper() == "UP"
        machine.partitions[name] = dataclasses.replace(machine.partitions[name], up=up)
    machine.stale = True
