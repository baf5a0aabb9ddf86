"""The configuration of an emulated cluster: its nodes, partitions and delays.

Names follow slurm.conf(5); defaults follow Slurm's except where a laptop wants less.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from hpckit.errors import InputError


@dataclass(frozen=True, kw_only=True)
class PartitionConfig:
    """One partition (slurm.conf ``PartitionName=``).

    Attributes:
        nodes: a hostlist of its nodes; empty for all.
        max_time_min: greatest time limit in minutes; -1 for none.
        default_time_min: time limit of a job that asks for none; 0 for `max_time_min`.
        priority_tier: jobs of a higher tier go first, and may preempt those of a lower one.
        preempt: its jobs may be preempted (``PreemptMode=REQUEUE``).
        grace_s: ``GraceTime``: seconds between the warning and the end of a preempted job.
    """

    name: str
    nodes: str = ""
    default: bool = False
    max_time_min: int = -1
    default_time_min: int = 0
    max_nodes: int = -1
    priority_tier: int = 1
    preempt: bool = True
    grace_s: float = 0.0
    up: bool = True


def _default_partitions() -> tuple[PartitionConfig, ...]:
    return (
        PartitionConfig(name="main", default=True),
        PartitionConfig(name="spot", priority_tier=0, grace_s=10.0),
    )


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """The cluster that `up` starts: ``nodes`` virtual nodes of ``cpus`` and ``memory_mib`` each.

    Attributes:
        name: of the cluster (``ClusterName``).
        node_prefix: nodes are called ``<prefix>1``, ``<prefix>2``, …; "" takes the cluster's name.
        gpus: counted GPUs per node (``Gres=gpu:N``).
        features: of the nodes, for ``--constraint``.
        max_array_size: indices stay below it (``MaxArraySize``).
        kill_wait_s: seconds between SIGTERM and SIGKILL (``KillWait``).
        requeue_delay_s: seconds that a requeued job waits (Slurm: about two minutes).
        min_job_age_s: seconds that squeue lists a finished job (``MinJobAge``).
        slurmd_timeout_s: seconds until a dead node is noticed (``SlurmdTimeout``: 300).
        constrain_memory: a job that uses more than its ``--mem`` ends as OUT_OF_MEMORY.
        proctrack: ``cgroup``: signals but KILL reach only the processes that Slurm itself started
            (as at most sites); ``linuxproc``: they reach all their descendants too.
        time_scale: seconds of the cluster's clock per real second.
    """

    nodes: int = 4
    cpus: int = 2
    memory_mib: int = 4000
    name: str = "local"
    node_prefix: str = ""
    gpus: int = 0
    features: tuple[str, ...] = ()
    partitions: tuple[PartitionConfig, ...] = ()
    max_array_size: int = 1001
    max_job_count: int = 10000
    kill_wait_s: float = 30.0
    requeue_delay_s: float = 5.0
    min_job_age_s: float = 300.0
    slurmd_timeout_s: float = 2.0
    constrain_memory: bool = True
    proctrack: str = "cgroup"
    time_scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.partitions:
            object.__setattr__(self, "partitions", _default_partitions())
        if self.proctrack not in ("cgroup", "linuxproc"):
            raise InputError(f"proctrack {self.proctrack!r} is neither 'cgroup' nor 'linuxproc'")
        for what, value, least in (
            ("nodes", self.nodes, 1), ("cpus", self.cpus, 1), ("memory_mib", self.memory_mib, 1),
        ):  # fmt: skip
            if value < least:
                raise InputError(
                    f"an emulated cluster with {what} = {value} cannot be",
                    hint=f"Give {what} as {least} or more.",
                )
        if self.nodes > 10_000:
            raise InputError(
                f"{self.nodes} nodes are more than an emulated cluster can have: 10000"
            )

    @property
    def prefix(self) -> str:
        """The part of a node's name before its number."""
        return self.node_prefix or f"{self.name.rstrip('0123456789-') or 'node'}-n"

    def node_names(self) -> list[str]:
        """Return the names of all nodes, in order."""
        return [f"{self.prefix}{i}" for i in range(1, self.nodes + 1)]

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ClusterConfig:
        """Return the configuration that `to_json` wrote; unknown keys are left out."""
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in data.items() if key in known}
        values["features"] = tuple(values.get("features", ()))
        values["partitions"] = tuple(PartitionConfig(**p) for p in values.get("partitions", ()))
        return cls(**values)
