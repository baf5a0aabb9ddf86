"""The data that commands get about jobs, nodes and partitions, not yet formatted."""

from __future__ import annotations

import os
from typing import Any

from hpckit.emulator.core import allocation, arrays, dependency, hostlist, model, placement
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.core.model import Job
from hpckit.emulator.daemon.launcher import output_path


def ordered(machine: Machine) -> list[Job]:
    """Return all jobs in squeue's order: waiting ones first (by priority), then by id."""
    return sorted(machine.jobs.values(), key=lambda j: (j.array_job_id or j.job_id, j.job_id))


def job(machine: Machine, record: Job, now: float) -> dict[str, Any]:
    """Return what squeue and scontrol show of one job."""
    request = record.request
    need = placement.need_of(request)
    waiting = bool(record.waiting)
    cpus = sum(s.cpus for s in record.shares) or need.tasks * need.cpus_per_task
    memory = sum(s.memory_mib for s in record.shares)
    limit = record.time_limit_min
    if record.state == model.PENDING:
        limit = allocation.limit_of(record, machine.partitions_of(record)[0])
    return {
        "job_id": record.job_id, "array_job_id": record.array_job_id,
        "array_task_id": record.array_task_id, "array_limit": record.array_limit,
        "waiting": record.waiting if waiting else [],
        "waiting_text": arrays.describe(record.waiting, record.array_limit, shorten=True)
        if waiting else "",
        "name": request.name, "user": request.user, "uid": request.uid, "gid": request.gid,
        "state": record.state, "reason": record.reason, "partition": record.partition,
        "priority": record.priority, "account": request.account or request.user,
        "qos": request.qos or "normal", "comment": request.comment, "nice": request.nice,
        "gpus_per_node": request.gpus_per_node, "wckey": request.wckey,
        "submit": record.submit, "eligible": record.eligible, "start": record.start,
        "end": record.end, "end_by": record.end_by, "now": now,
        "begin": max(request.begin, record.not_before), "limit": limit,
        "nodes": record.nodes, "node_list": hostlist.compress(record.nodes),
        "shares": [[s.node, s.cpus, s.memory_mib, list(s.gpus)] for s in record.shares],
        "node_count": len(record.shares) or need.min_nodes, "cpus": cpus, "memory_mib": memory,
        "tasks": sum(s.tasks for s in record.shares) or need.tasks,
        "cpus_per_task": need.cpus_per_task, "min_nodes": need.min_nodes,
        "max_nodes": need.max_nodes, "ntasks_per_node": request.ntasks_per_node,
        "mem_per_node": request.mem_per_node_mib, "mem_per_cpu": request.mem_per_cpu_mib,
        "default_mem_per_cpu": machine.default_memory_per_cpu_mib,
        "requeue": request.requeue, "restarts": record.restarts,
        "batch": not request.interactive, "exit": list(record.exit_status),
        "derived": list(record.derived_status),
        "dependency": dependency.describe(record),
        "nodelist": hostlist.compress(request.nodelist),
        "exclude": hostlist.compress(request.exclude), "features": "&".join(request.features),
        "exclusive": request.exclusive, "command": request.command,
        "arguments": list(request.arguments), "work_dir": request.work_dir,
        "stdout": output_path(record), "stderr": output_path(record, error=True),
        "stdin": request.stdin, "host": request.submit_host, "no_kill": request.no_kill,
        "steps": [
            {"id": s.step_id, "name": s.name, "nodes": hostlist.compress(s.nodes),
             "node_count": len(s.nodes), "tasks": s.task_count(), "cpus": sum(s.cpus),
             "start": s.start, "state": s.state, "live": bool(s.live)}
            for s in record.steps.values()
        ],
    }  # fmt: skip


def cluster(machine: Machine, now: float, started: float, state_dir: str) -> dict[str, Any]:
    """Return nodes, partitions and configuration."""
    config = machine.config
    nodes = [
        {
            "name": n.name, "address": n.address, "cpus": n.cpus, "used_cpus": n.used_cpus,
            "memory_mib": n.memory_mib, "used_memory_mib": n.used_memory_mib, "gpus": n.gpus,
            "used_gpus": len(n.used_gpus), "features": ",".join(n.features), "state": n.state,
            "down": n.down, "drain": n.drain, "reason": n.reason, "reason_at": n.reason_at,
            "jobs": sorted(n.jobs),
            "partitions": [
                p.name for p in config.partitions if n.name in machine.partition_nodes(p)
            ],
        }
        for n in machine.nodes.values()
    ]  # fmt: skip
    partitions = [
        {**_plain(p), "up": machine.partitions[p.name].up,
         "nodes": machine.partition_nodes(p), "default": p is machine.default_partition()}
        for p in config.partitions
    ]  # fmt: skip
    return {
        "nodes": nodes, "partitions": partitions, "config": config.to_json(), "now": now,
        "started": started, "next_job_id": machine.next_job_id, "state_dir": state_dir,
        "default_mem_per_cpu": machine.default_memory_per_cpu_mib,
    }  # fmt: skip


def _plain(partition: Any) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(partition)


def status(machine: Machine) -> dict[str, Any]:
    """Return the nodes and the number of jobs per state."""
    counts: dict[str, int] = {"pending": 0, "running": 0, "completing": 0, "finished": 0}
    for record in machine.jobs.values():
        key = record.state.lower()
        counts[key if key in counts else "finished"] += max(1, len(record.waiting))
    nodes = [
        {"name": n.name, "address": n.address, "cpus": n.cpus, "memory_mib": n.memory_mib,
         "state": n.state} for n in machine.nodes.values()
    ]  # fmt: skip
    return {"nodes": nodes, "jobs": counts, "uid": os.geteuid()}
