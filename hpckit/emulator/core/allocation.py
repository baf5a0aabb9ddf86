"""Allocate and release a job's share of its nodes."""

from __future__ import annotations

from hpckit.emulator.config import PartitionConfig
from hpckit.emulator.core.model import Job, Node


def occupy(nodes: dict[str, Node], job: Job) -> None:
    """Allocate a job's share of each of its nodes."""
    for share in job.shares:
        node = nodes[share.node]
        node.used_cpus += share.cpus
        node.used_memory_mib += share.memory_mib
        node.used_gpus = tuple(sorted(node.used_gpus + share.gpus))
        node.jobs.add(job.job_id)
        node.exclusive = node.exclusive or job.request.exclusive


def release(nodes: dict[str, Node], job: Job) -> None:
    """Release a job's share of each of its nodes."""
    for share in job.shares:
        node = nodes[share.node]
        if job.job_id not in node.jobs:
            continue
        node.used_cpus -= share.cpus
        node.used_memory_mib -= share.memory_mib
        node.used_gpus = tuple(g for g in node.used_gpus if g not in share.gpus)
        node.jobs.discard(job.job_id)
        node.exclusive = False


def limit_of(job: Job, partition: PartitionConfig) -> int:
    """Return the minutes that a job may run in a partition; -1 for no limit."""
    if job.time_limit_min:
        return job.time_limit_min
    return partition.default_time_min or partition.max_time_min
