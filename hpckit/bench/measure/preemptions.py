"""Reclaiming of workers: by the emulator, or by jobs that preempt them."""

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

_HOLD_NODE_S: Final = 3  # how long a preempting job keeps its node
_RETRY_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition, with the settings that preemption depends on.

    Attributes:
        preempted: True if jobs of a higher tier requeue its jobs.
    """

    name: str
    tier: int
    preempted: bool


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
    """Return the partition of the workers and one that preempts it.

    Args:
        found: the partitions of the cluster.
        spot, preempt: the names that the user gave, or "".

    Raises:
        InputError: there are no two such partitions.
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
            hint="Needed: one with PreemptMode=REQUEUE, and one with a higher PriorityTier. Name "
            "them with --spot-partition and --preempt-partition, or measure without a Slurm.",
        )
    return pairs[0]


def find_partitions(spot: str, preempt: str) -> tuple[str, str]:
    """Return the same for the Slurm that answers here.

    Raises:
        InputError: there are no two such partitions.
        SchedulerError: scontrol failed.
    """
    text = run_slurm("scontrol", ["--oneliner", "show", "partition"], slurm_bin="")
    return choose_partitions(parse_partitions(text), spot, preempt)


class Preempter:
    """Reclaims running workers of a run, from its first running task on."""

    def poll(self, run_dir: RunDir, running: bool) -> None:
        """Reclaim workers if it is time to; `running` says if a task runs."""
        raise NotImplementedError

    def stop(self) -> None:
        """Start no more reclaims; those that have begun go on. Idempotent."""

    def close(self) -> None:
        """Stop, and cancel whatever is left. Idempotent."""
        self.stop()


@dataclass
class EmulatedPreempter(Preempter):
    """Reclaims by the emulator: running jobs of a partition, at a given rate.

    Attributes:
        per_hour: reclaims in the whole partition.
        grace_s: time between warning and end.
        seed: of the times and the choice of jobs.
        partition: of the workers.
    """

    per_hour: float
    grace_s: float
    seed: int
    partition: str
    _begun: bool = False

    def poll(self, run_dir: RunDir, running: bool) -> None:
        """Begin when a task runs."""
        from hpckit.emulator import control

        if running and not self._begun:
            self._begun = True
            control.reclaim(
                per_hour=self.per_hour, grace_s=self.grace_s, seed=self.seed,
                partition=self.partition, name=CLUSTER,
            )  # fmt: skip

    def stop(self) -> None:
        """Start no more reclaims."""
        from hpckit.emulator import control

        with contextlib.suppress(SchedulerError):
            control.reclaim(per_hour=0, name=CLUSTER)


@dataclass
class SlurmPreempter(Preempter):
    """Reclaims by short jobs of a preempting partition; each needs the node of one worker.

    Attributes:
        mean_s: average time between two.
        seed: of the times and the choice of jobs.
        partition: of the preempting jobs.
        directory: for their script.
    """

    mean_s: float
    seed: int
    partition: str
    directory: Path
    _random: random.Random = field(init=False)
    _next: float = 0.0
    _jobs: dict[str, str] = field(default_factory=dict)  # and the node that each needs

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.script.write_text(f"#!/bin/sh\nsleep {_HOLD_NODE_S}\n")

    @property
    def script(self) -> Path:
        """Path of the script of the preempting jobs."""
        return self.directory / "reclaim.sh"

    def poll(self, run_dir: RunDir, running: bool) -> None:
        """Submit a preempting job if it is time for one."""
        now = time.monotonic()
        if not self._next:
            self._next = now + self._random.expovariate(1 / self.mean_s) if running else 0.0
        elif now >= self._next:
            interval_s = self._random.expovariate(1 / self.mean_s)
            self._next = now + (interval_s if self._preempt_one(run_dir) else _RETRY_S)

    def _preempt_one(self, run_dir: RunDir) -> bool:
        """Submit a job that needs the node of a running worker; return False if none runs."""
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

    def close(self) -> None:
        """Cancel the jobs that have not ended.

        While a job still waits for its node, Slurm has not reclaimed the worker there; without the
        job, that worker would count as one that ran out of time.
        """
        if self._jobs:
            with contextlib.suppress(SchedulerError):
                scancel(list(self._jobs), slurm_bin="")


def _is_alive(state: JobState) -> bool:
    return state.phase in ("waiting", "running")
