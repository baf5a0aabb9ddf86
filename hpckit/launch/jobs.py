"""The jobs of a run, each with its directives. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpckit.engines.registry import ENGINES
from hpckit.launch.directives import adapt, literal, partition_directives
from hpckit.launch.partition import PartitionChoices
from hpckit.launch.resources import Sizes
from hpckit.launch.walltime import warning_s
from hpckit.model.plan import JobPlan, Plan
from hpckit.model.site import Site
from hpckit.model.task import Backend, Shape
from hpckit.model.units import slurm_time
from hpckit.slurm.hostlist import array_indices


def array_slices(workers: int, max_array_size: int, at_once: int = 0) -> tuple[str, ...]:
    """Return the ``--array`` values that make so many workers, each within MaxArraySize.

    `at_once` is how many of each slice may run at a time; 0 is all of them.
    Indices begin at 0 in each slice, and stop at one less than `max_array_size`
    (https://slurm.schedmd.com/slurm.conf.html, MaxArraySize).
    """
    full, rest = divmod(workers, max_array_size)
    counts = [max_array_size] * full + ([rest] if rest else [])
    limit = f"%{at_once}" if at_once else ""
    return tuple(array_indices(count) + limit * (count > 1) for count in counts)


def warning_directive(walltime_s: int) -> str:
    """Return by what a head's job is warned: the batch shell alone (B:), which tells the head."""
    return f"--signal=B:USR2@{warning_s(walltime_s)}"


def first_arrays(plan: Plan) -> tuple[str, ...]:
    """Return the ``--array`` values of the workers that are submitted with the head.

    Where compute nodes may not submit, the head cannot add any: then the array is as large
    as it may become, and throttled to the number of workers that was asked for.
    """
    if plan.compute_nodes_submit or plan.max_workers <= plan.workers:
        return array_slices(plan.workers, plan.max_array_size)
    return array_slices(plan.max_workers, plan.max_array_size, plan.workers)


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Builds the jobs of either shape from what is the same for all of them.

    `cwd` is where the scripts start, `user` the directives of ``--sbatch``.
    """

    run: str
    run_dir: str
    cwd: str
    site: Site
    choices: PartitionChoices
    sizes: Sizes
    user: tuple[str, ...] = ()

    def all(self, backend: Backend, shape: Shape) -> tuple[JobPlan, ...]:
        """Return the jobs of an engine and a shape, the head's first."""
        if not ENGINES[backend].joins:
            return self.pool()
        return self.array() if shape == "array" else self.allocation()

    def array(self) -> tuple[JobPlan, ...]:
        """Return the head's job, and the array of workers that join it.

        The array in the script is the first slice; what is beyond MaxArraySize is asked for
        on the command line.
        """
        head, worker = self.sizes.head, self.sizes.worker
        first = array_slices(self.sizes.workers, self.site.limits.max_array_size)[0]
        of_head = [
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={head.cores}",
            f"--mem={head.memory_mib}M",
            f"--time={slurm_time(head.walltime_s)}",
            self._warning,
        ]
        of_workers = [
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={worker.cores}",
            f"--mem={self.sizes.job_memory_mib}M",
            *self._gpus,
            f"--time={slurm_time(worker.walltime_s)}",
            f"--array={first}",
        ]
        return (
            self._job("head", "head-%j.log", of_head),
            self._job("workers", "workers-%A_%a.log", of_workers),
        )

    def allocation(self) -> tuple[JobPlan, ...]:
        """Return the one job of N nodes that carries head and workers."""
        worker = self.sizes.worker
        lines = [
            f"--nodes={self.sizes.workers}",
            "--ntasks-per-node=1",
            f"--cpus-per-task={worker.cores}",
            f"--mem={self.sizes.job_memory_mib}M",
            *self._gpus,
            f"--time={slurm_time(worker.walltime_s)}",
            self._warning,
            "--no-kill",
        ]
        return (self._job("allocation", "allocation-%j.log", lines),)

    def pool(self) -> tuple[JobPlan, ...]:
        """Return the one job in which the head works the tasks off by itself."""
        worker = self.sizes.worker
        lines = [
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={worker.cores}",
            f"--mem={self.sizes.job_memory_mib}M",
            *self._gpus,
            f"--time={slurm_time(worker.walltime_s)}",
            self._warning,
        ]
        return (self._job("head", "head-%j.log", lines),)

    def _job(self, role: str, log: str, resources: Sequence[str]) -> JobPlan:
        name = f"{self.run}.workers" if role == "workers" else self.run
        choice = self.choices.workers if role == "workers" else self.choices.head
        lines = [
            f"--job-name={name}",
            f"--output={literal(self.run_dir)}/logs/{log}",
            f"--chdir={self.cwd}",
            *partition_directives(choice),
            *resources,
            "--requeue",
            "--open-mode=append",
        ]
        return JobPlan(role=role, directives=adapt(lines, self.site, self.user))

    @property
    def _warning(self) -> str:
        return warning_directive(self.sizes.head.walltime_s)

    @property
    def _gpus(self) -> list[str]:
        gpus = self.sizes.worker.gpus
        return [f"--gres=gpu:{gpus}"] if gpus else []
