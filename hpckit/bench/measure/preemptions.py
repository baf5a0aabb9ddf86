"""Capacity that is taken back: by the emulator, or by jobs that go before ours."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hpckit.bench.measure.cluster import CLUSTER
from hpckit.errors import InputError, SchedulerError
from hpckit.run.jobs import HEAD_ROLES, read_jobs
from hpckit.run.rundir import RunDir
from hpckit.slurm.command import run_slurm
from hpckit.slurm.jobs import job_states
from hpckit.slurm.sbatch import sbatch, scancel
from hpckit.slurm.scontrol import parse_pairs, show_nodes
from hpckit.slurm.states import JobState

_HOLD_NODE_S: Final = 3  # how long a job that goes before ours keeps its node
_RETRY_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition, as far as preemption goes."""

    name: str
    tier: int
    preempted: bool  # whether its jobs are requeued by those of a higher tier


def parse_partitions(text: str) -> list[Partition]:
    """Read ``scontrol --oneliner show partition``; lines without a name are left out."""
    return [
        Partition(
            name=pairs["PartitionName"],
            tier=int(pairs["PriorityTier"]) if pairs.get("PriorityTier", "").isdigit() else 1,
            preempted=pairs.get("PreemptMode", "").upper() in ("REQUEUE", "GANG,REQUEUE"),
        )
        for pairs in map(parse_pairs, text.splitlines())
        if "PartitionName" in pairs
    ]


def choose_partitions(found: list[Partition], spot: str, preempt: str) -> tuple[str, str]:
    """Return the workers' partition and the one that goes before it.

    Args:
        found: the cluster's partitions.
        spot, preempt: what the user named, or "".

    Raises:
        InputError: no two partitions are so.
    """
    pairs = [
        (low.name, high.name)
        for low in found for high in found
        if low.preempted and high.tier > low.tier
        and spot in ("", low.name) and preempt in ("", high.name)
    ]  # fmt: skip
    if not pairs:
        known = ", ".join(f"{p.name} (tier {p.tier}{', requeue' * p.preempted})" for p in found)
        raise InputError(
            f"no partition's jobs are preempted by another's; found: {known or 'none'}",
            hint="Wanted: PreemptMode=REQUEUE, and one with a higher PriorityTier. Name them with "
            "--spot-partition and --preempt-partition, or measure without a Slurm.",
        )
    return pairs[0]


def find_partitions(spot: str, preempt: str) -> tuple[str, str]:
    """Return the same of the Slurm that answers here.

    Raises:
        InputError: no two partitions are so.
        SchedulerError: scontrol failed.
    """
    text = run_slurm("scontrol", ["--oneliner", "show", "partition"], slurm_bin="")
    return choose_partitions(parse_partitions(text), spot, preempt)


class Preempter:
    """Reclaims running workers of a run from its first running task on."""

    def look(self, run_dir: RunDir, running: bool) -> None:
        """Do what is due; called often."""
        raise NotImplementedError

    def rest(self) -> None:
        """Take back no more; what has begun goes on. Idempotent."""

    def stop(self) -> None:
        """End all that is left of it; idempotent."""
        self.rest()


@dataclass
class EmulatedPreempter(Preempter):
    """By the emulator: so many an hour, among the running jobs of a partition.

    Attributes:
        per_hour: of the whole partition.
        grace_s: between a warning and the end.
        seed: of the times and the victims.
        partition: the workers'.
    """

    per_hour: float
    grace_s: float
    seed: int
    partition: str
    _begun: bool = False

    def look(self, run_dir: RunDir, running: bool) -> None:
        """Begin once a task runs."""
        from hpckit.emulator import control

        if running and not self._begun:
            self._begun = True
            control.reclaim(
                per_hour=self.per_hour, grace_s=self.grace_s, seed=self.seed,
                partition=self.partition, name=CLUSTER,
            )  # fmt: skip

    def rest(self) -> None:
        """Take back no more."""
        from hpckit.emulator import control

        with contextlib.suppress(SchedulerError):
            control.reclaim(per_hour=0, name=CLUSTER)


@dataclass
class SlurmPreempter(Preempter):
    """By short jobs of a partition that goes before the workers'; each wants one worker's node.

    Attributes:
        mean_s: between two.
        seed: of the times and the victims.
        partition: that goes before.
        directory: for the script.
    """

    mean_s: float
    seed: int
    partition: str
    directory: Path
    _random: random.Random = field(init=False)
    _next: float = 0.0
    _jobs: dict[str, str] = field(default_factory=dict)  # and the node that each wants

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.script.write_text(f"#!/bin/sh\nsleep {_HOLD_NODE_S}\n")

    @property
    def script(self) -> Path:
        """What the jobs run."""
        return self.directory / "reclaim.sh"

    def look(self, run_dir: RunDir, running: bool) -> None:
        """Submit a job when it is time for one."""
        now = time.monotonic()
        if not self._next:
            self._next = now + self._random.expovariate(1 / self.mean_s) if running else 0.0
        elif now >= self._next:
            waits = self._random.expovariate(1 / self.mean_s)
            self._next = now + (waits if self._preempt_one(run_dir) else _RETRY_S)

    def _preempt_one(self, run_dir: RunDir) -> bool:
        """Submit a job that wants the node of a running worker; return whether there is one."""
        jobs = read_jobs(run_dir)
        states = job_states([*(job.job_id for job in jobs), *self._jobs], slurm_bin="")
        held = {self._jobs[key] for key, s in states.items() if key in self._jobs and _is_alive(s)}
        running = [s for s in states.values() if s.state == "RUNNING" and s.nodes]
        workers = {job.job_id for job in jobs if job.role == "workers"}
        victims = [s for s in running if s.job_id.partition("_")[0] in workers]
        nodes = sorted({s.nodes[0] for s in victims} - held)
        if not nodes:
            return False
        node = self._random.choice(nodes)
        heads = {job.job_id for job in jobs if job.role in HEAD_ROLES}
        beside = sum(node in s.nodes and s.job_id in heads for s in running)
        cpus = show_nodes(node, slurm_bin="")[0].cpus - beside
        words = [f"--partition={self.partition}", f"--nodelist={node}", "--ntasks=1"]
        words += [f"--cpus-per-task={cpus}", "--mem=50", "--time=1", "--output=/dev/null"]
        self._jobs[sbatch(self.script, slurm_bin="", args=words)] = node
        return True

    def stop(self) -> None:
        """Cancel what has not ended. While a job still waits for a node, Slurm has not yet taken
        the worker there; without the job, it would count as one that ran out of time."""
        if self._jobs:
            with contextlib.suppress(SchedulerError):
                scancel(list(self._jobs), slurm_bin="")


def _is_alive(state: JobState) -> bool:
    return state.phase in ("waiting", "running")
