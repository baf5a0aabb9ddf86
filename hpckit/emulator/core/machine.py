"""The state machine: jobs, nodes, and what happens to them. No I/O; time comes as an argument.

This module holds the state. The modules beside it change it: each is made of functions of the
machine and ``now`` (epoch seconds of the cluster's clock) that append to `effects` what the daemon
has to do: `tick` (what is due), `scheduling` (which job starts where), `running` (ends, requeues),
`steps`, `admin` (what operators do).
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

from hpckit.emulator.config import ClusterConfig, PartitionConfig
from hpckit.emulator.core import allocation, arrays, dependency, hostlist, model, placement
from hpckit.emulator.core.effects import Effect
from hpckit.emulator.core.model import FINAL, PENDING, Job, Node, Request
from hpckit.emulator.core.refusal import TEXT, Refusal

TOP_PRIORITY = 4294901759  # what priority/basic gives the first job


class Machine:
    """The whole state of an emulated cluster.

    Attributes:
        jobs: every job that squeue lists, by id; finished ones for ``min_job_age_s``.
        effects: what the daemon has to do; the caller takes and clears them.
        dirty: ids of jobs that changed since the caller last saved them.
        retired: former incarnations of requeued jobs, as JSON, for accounting.
    """

    def __init__(self, config: ClusterConfig, *, address_block: tuple[int, int] = (1, 1)) -> None:
        self.config = config
        self.nodes: dict[str, Node] = {}
        for index, name in enumerate(config.node_names()):
            address = f"127.{address_block[0]}.{address_block[1] + index // 250}.{index % 250 + 1}"
            self.nodes[name] = Node(
                name, address, config.cpus, config.memory_mib, config.gpus, config.features
            )
        self.partitions = {p.name: p for p in config.partitions}
        self.jobs: dict[int, Job] = {}
        self.arrays: dict[int, list[int]] = {}
        self.active: set[int] = set()  # running or completing
        self.queue: set[int] = set()  # pending
        self.finished: deque[tuple[float, int, int]] = deque()
        self.next_job_id = 1
        self.submitted = 0
        self.effects: list[Effect] = []
        self.dirty: set[int] = set()
        self.retired: list[dict[str, Any]] = []
        self.pending_failures: dict[str, float] = {}
        self.stale = True  # something changed: pending jobs have to be looked at again

    # -- queries ---------------------------------------------------------------------------

    @property
    def default_memory_per_cpu_mib(self) -> int:
        """Default memory per CPU (``DefMemPerCPU``): an even part of a node's memory."""
        return self.config.memory_mib // self.config.cpus

    def default_partition(self) -> PartitionConfig:
        """Return the partition of a job that names none."""
        chosen = [p for p in self.config.partitions if p.default]
        return (chosen or list(self.config.partitions))[0]

    def partitions_of(self, job: Job) -> list[PartitionConfig]:
        """Return the partitions that a job asked for."""
        return [self.partitions[n] for n in job.request.partitions] or [self.default_partition()]

    def partition_nodes(self, partition: PartitionConfig) -> list[str]:
        """Return the names of a partition's nodes, in order."""
        if partition.nodes in ("", "ALL"):
            return list(self.nodes)
        return [name for name in hostlist.expand(partition.nodes) if name in self.nodes]

    def jobs_of(self, job_id: int) -> list[Job]:
        """Return a job, or all records of the array of that id, in the order of their tasks."""
        if job_id in self.arrays:
            found = [self.jobs[i] for i in self.arrays[job_id] if i in self.jobs]
            return sorted(found, key=lambda j: (j.array_task_id < 0, j.array_task_id))
        return [self.jobs[job_id]] if job_id in self.jobs else []

    def named(self, condition: dependency.Condition) -> list[Job]:
        """Return the jobs that a dependency's condition names."""
        found = self.jobs_of(condition.job_id)
        if condition.task_id < 0:
            return found
        return [
            job for job in found
            if job.array_task_id == condition.task_id or condition.task_id in job.waiting
        ]  # fmt: skip

    def touch(self, job: Job) -> None:
        """Note that a job changed."""
        self.dirty.add(job.job_id)
        self.stale = True

    def take_effects(self) -> list[Effect]:
        """Return the effects and clear them."""
        taken, self.effects = self.effects, []
        return taken

    # -- submission ------------------------------------------------------------------------

    def check(self, request: Request) -> None:
        """Refuse a request that can never run, with sbatch's reasons.

        Raises:
            Refusal: a partition or node does not exist, or no node could hold the request.
        """
        for name in request.partitions:
            if name not in self.partitions:
                text = f"invalid partition specified: {name}\n{TEXT['invalid_partition']}"
                raise Refusal("invalid_partition", text)
        unknown = [n for n in (*request.nodelist, *request.exclude) if n not in self.nodes]
        if unknown:
            raise Refusal("invalid_node")
        try:
            dependency.parse(request.dependency)
        except ValueError:
            raise Refusal("dependency") from None
        partitions = [self.partitions[n] for n in request.partitions] or [self.default_partition()]
        if request.features and not any(self.candidates(request, p) for p in partitions):
            raise Refusal("invalid_feature")
        if not any(self._possible(request, partition) for partition in partitions):
            most = max(n.memory_mib for n in self.nodes.values())
            if max(request.mem_per_node_mib, request.mem_per_cpu_mib) > most:
                text = f"Memory specification can not be satisfied\n{TEXT['impossible']}"
                raise Refusal("impossible", text)
            if request.cpus_per_task > max(n.cpus for n in self.nodes.values()):
                text = f"CPU count per node can not be satisfied\n{TEXT['impossible']}"
                raise Refusal("impossible", text)
            raise Refusal("impossible")

    def _possible(self, request: Request, partition: PartitionConfig) -> bool:
        """Return True if a partition could ever run it; too many nodes only make it wait
        (22.05)."""
        nodes = self.candidates(request, partition)
        need = placement.need_of(request)
        if len(nodes) < need.min_nodes or self.too_large(need, partition):
            return True
        frees = [placement.Free.empty(n) for n in nodes]
        return placement.place(request, frees, self.default_memory_per_cpu_mib) is not None

    def too_large(self, need: placement.Need, partition: PartitionConfig) -> bool:
        """Return True if a request takes more nodes or CPUs than a partition has."""
        names = self.partition_nodes(partition)
        cpus = sum(self.nodes[name].cpus for name in names)
        return need.min_nodes > len(names) or need.tasks * need.cpus_per_task > cpus

    def candidates(self, request: Request, partition: PartitionConfig) -> list[Node]:
        """Return the nodes of a partition that have what a request names."""
        return [
            node
            for name in self.partition_nodes(partition)
            if (node := self.nodes[name]).name not in request.exclude
            and all(feature in node.features for feature in request.features)
        ]

    def submit(
        self, request: Request, now: float, *, array: tuple[list[int], int] | None = None,
        hold: bool = False,
    ) -> Job:  # fmt: skip
        """Queue a job, or all tasks of an array as one record.

        Raises:
            Refusal: see `check`; or too many jobs are queued already.
        """
        self.check(request)
        if len(self.jobs) >= self.config.max_job_count:
            raise Refusal("too_many_jobs")
        job = Job(self.next_job_id, request, now, priority=TOP_PRIORITY - self.submitted)
        self.next_job_id += 1
        self.submitted += 1
        job.dependency = request.dependency
        job.time_limit_min = request.time_limit_min
        job.partition = ",".join(request.partitions) or self.default_partition().name
        if array is not None:
            indices, limit = array
            job.array_job_id, job.waiting, job.array_limit = job.job_id, list(indices), limit
            job.array_all = (len(indices), indices[0], indices[-1], arrays.step_of(indices))
            self.arrays[job.job_id] = [job.job_id]
        job.priority -= request.nice
        if hold:
            job.hold, job.priority = "JobHeldUser", 0
        self.jobs[job.job_id] = job
        self.queue.add(job.job_id)
        self.touch(job)
        if "aftercorr" in request.dependency:  # each task waits for one of its own
            for index in list(job.waiting):
                self.split(job, index)
        return job

    def split(self, record: Job, index: int) -> Job:
        """Return the record of one task of an array that is about to start.

        The pending record keeps the array's id; the last task to start gets that record.
        """
        record.waiting.remove(index)
        if not record.waiting:
            record.array_task_id = index
            self.touch(record)
            return record
        job = dataclasses.replace(
            record, job_id=self.next_job_id, array_task_id=index, waiting=[], shares=[], steps={},
            lost_nodes=[],
        )  # fmt: skip
        self.next_job_id += 1
        self.jobs[job.job_id] = job
        self.queue.add(job.job_id)
        self.arrays[record.array_job_id].append(job.job_id)
        self.touch(record)
        self.touch(job)
        return job

    # -- recovery --------------------------------------------------------------------------

    def restore(self, jobs: list[dict[str, Any]], next_job_id: int) -> None:
        """Load the jobs that an earlier daemon saved."""
        for data in jobs:
            job = model.job_from_json(data)
            self.jobs[job.job_id] = job
            if job.array_job_id:
                self.arrays.setdefault(job.array_job_id, []).append(job.job_id)
            if job.state == PENDING:
                self.queue.add(job.job_id)
            elif job.state in FINAL:
                self.finished.append((job.end or 0.0, job.job_id, job.restarts))
            else:
                self.active.add(job.job_id)
                allocation.occupy(self.nodes, job)
        self.finished = deque(sorted(self.finished))
        self.next_job_id = max([next_job_id, *(i + 1 for i in self.jobs)])
        self.submitted = self.next_job_id
        self.stale = True
