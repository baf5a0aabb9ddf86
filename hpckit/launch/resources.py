"""Choose the size of head and workers, and the number of workers. Pure.

What a bag would like is cut to what the partition has, and each cut is noted. All
memory is in MiB, all times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Final

from hpckit.engines.registry import ENGINES
from hpckit.errors import InputError
from hpckit.launch.partition import PartitionChoice, PartitionChoices
from hpckit.launch.request import Request
from hpckit.launch.walltime import choose_walltime
from hpckit.model.bag import Bag
from hpckit.model.plan import Size
from hpckit.model.site import Partition, Site
from hpckit.model.task import Backend, Shape

HEAD_CORES: Final = 1
#: For every engine: Ray's head, the dearest, takes about 1 GB, ours 100 MB with a million tasks.
HEAD_MEMORY_MIB: Final = 1500
DEFAULT_WORKERS: Final = 4
DEFAULT_MEMORY_PER_CORE_MIB: Final = 1000  # where neither bag nor site says anything


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes that are asked of Slurm.

    Attributes:
        head: of the head's job; in the allocation shape, the part of its node that it takes.
        worker: what a worker's tasks may use.
        workers: how many worker jobs, or nodes.
        job_memory_mib: of each worker's job, or of each node: `worker`'s memory and what
            engine and, in the allocation shape, head take beside it.
    """

    head: Size
    worker: Size
    workers: int
    job_memory_mib: int
    notes: tuple[str, ...]


@dataclass
class _SizeInputs:
    """All that the sizes depend on, and the notes made on the way."""

    bag: Bag
    request: Request
    site: Site
    choice: PartitionChoice
    backend: Backend
    shape: Shape
    notes: list[str] = field(default_factory=list)

    @property
    def limits(self) -> Partition:
        """The resources that a node has for a worker: all, unless the head sits on the only one."""
        limits, shape = self.choice.limits, self.site.emulated
        if self.shape == "array" and self.site.scheduler == "emulated" and shape.nodes == 1:
            cores, memory = shape.cpus - HEAD_CORES, shape.memory_mib - HEAD_MEMORY_MIB
            return limits.model_copy(update={"cores": max(0, cores), "memory_mib": max(0, memory)})
        return limits

    @property
    def walltime_wish_s(self) -> int | None:
        """The walltime that flag or bag would like."""
        return self.request.walltime_s or self.bag.workers.walltime_s

    @property
    def beside_mib(self) -> int:
        """The memory that the head takes of each worker's."""
        return HEAD_MEMORY_MIB if self.shape == "allocation" else 0

    def engine_mib(self, slots: int) -> int:
        """Return the memory that the engine takes, for so many tasks at a time."""
        facts = ENGINES[self.backend]
        return facts.base_mib + facts.slot_mib * slots


def choose_sizes(
    bag: Bag, request: Request, site: Site, choices: PartitionChoices, engine: tuple[Backend, Shape]
) -> Sizes:
    """Return the sizes of head and workers.

    Raises:
        InputError: no node of the workers' partition can hold one task.
    """
    case = _SizeInputs(bag, request, site, choices.workers, *engine)
    _check_task_fits(case)
    cores = _cores(case)
    slots = _slots(case, cores)
    memory = _memory(case, cores, slots)
    job_memory = memory + case.engine_mib(slots) + case.beside_mib
    if bag.task.resources.memory_mib:
        slots = min(slots, memory // bag.task.resources.memory_mib)
    walltime_s = choose_walltime(case.walltime_wish_s, choices.workers, case.notes)
    gpus = slots * bag.task.resources.gpus
    worker = Size(cores=cores, memory_mib=memory, walltime_s=walltime_s, gpus=gpus)
    return Sizes(
        head=Size(
            cores=HEAD_CORES,
            memory_mib=min(HEAD_MEMORY_MIB, choices.head.limits.memory_mib or HEAD_MEMORY_MIB),
            walltime_s=_head_walltime_s(case, choices),
        ),
        worker=worker,
        workers=_workers(case, worker, job_memory, slots),
        job_memory_mib=job_memory,
        notes=tuple(case.notes),
    )


def _head_walltime_s(case: _SizeInputs, choices: PartitionChoices) -> int:
    """Return how long the head may run; what cuts it is noted once, if both are in one queue."""
    notes: list[str] = []
    walltime_s = choose_walltime(case.walltime_wish_s, choices.head, notes)
    if choices.head != choices.workers:
        case.notes += [f"head's {note}" for note in notes]
    return walltime_s


def _check_task_fits(case: _SizeInputs) -> None:
    needed, limits = case.bag.task.resources, case.limits
    least_mib = max(1, needed.memory_mib) + case.engine_mib(1) + case.beside_mib
    others = f"the head and {case.backend} take" if case.beside_mib else f"{case.backend} takes"
    with_engine = f"{least_mib} MiB of memory (with what {others})"
    for what, need, has in (
        (f"{needed.cores} cores", needed.cores, limits.cores),
        (with_engine, least_mib, limits.memory_mib),
        # A partition whose cores are not known says nothing of its GPUs either.
        (f"{needed.gpus} GPUs", needed.gpus, None if limits.cores is None else limits.gpus),
    ):
        if has is not None and need > has:
            raise InputError(
                f"one task needs {what}, but a node of {case.choice.title} of site "
                f"{case.site.name!r} has {has} for it",
                hint=_hint(case),
            )


def _hint(case: _SizeInputs) -> str:
    if case.shape == "array" and case.limits is not case.choice.limits:
        return "The head has a job of its own here: try --shape allocation, where they share."
    others = [
        name
        for name, entry in case.site.partitions.items()
        if name != case.choice.partition and _differs(entry, case.choice.limits)
    ]
    if others:
        return f"Ask for less in [task.resources], or try --partition {' or '.join(others)}."
    return "Ask for less in [task.resources], or choose another --site."


def _differs(entry: Partition, limits: Partition) -> bool:
    """Return True if a partition has other nodes, as far as is known."""
    return (entry.cores, entry.memory_mib, entry.gpus) != (
        limits.cores, limits.memory_mib, limits.gpus,
    )  # fmt: skip


def _cores(case: _SizeInputs) -> int:
    limits, task = case.limits, case.bag.task.resources
    wish = case.request.cores or case.bag.workers.cores
    cores = wish or min(limits.cores or task.cores, case.request.tasks * task.cores)
    if limits.cores is not None and cores > limits.cores:
        case.notes.append(
            f"cores per worker: {limits.cores}, not {cores}; {case.choice.title} has no more"
        )
        cores = limits.cores
    if cores < task.cores:
        case.notes.append(f"cores per worker: {task.cores}, not {cores}; each task needs as many")
        cores = task.cores
    room = _slots_by_memory(case)
    if room is not None and cores // task.cores > room:
        case.notes.append(
            f"cores per worker: {room * task.cores}, not {cores}; a node's memory holds no more "
            f"of what {case.backend} starts for each task"
        )
        cores = room * task.cores
    return cores


def _slots_by_memory(case: _SizeInputs) -> int | None:
    """Return for how many tasks at a time the engine fits on a node beside one task."""
    if case.limits.memory_mib is None:
        return None
    facts = ENGINES[case.backend]
    needed = facts.base_mib + case.beside_mib + max(1, case.bag.task.resources.memory_mib)
    return max(1, (case.limits.memory_mib - needed) // facts.slot_mib)


def _slots(case: _SizeInputs, cores: int) -> int:
    """Return how many tasks run at a time on a worker, by its cores and GPUs."""
    task, limits = case.bag.task.resources, case.limits
    slots = cores // task.cores
    if task.gpus and limits.cores is not None:
        slots = min(slots, limits.gpus // task.gpus)
    return slots


def _memory(case: _SizeInputs, cores: int, slots: int) -> int:
    """Return what the tasks of one worker may use."""
    task, limits, budget = case.bag.task.resources, case.limits, case.bag.retries
    taken = case.engine_mib(slots) + case.beside_mib
    most = None if limits.memory_mib is None else limits.memory_mib - taken
    wish = case.request.memory_mib or case.bag.workers.memory_mib
    if wish:
        memory = max(wish, task.memory_mib)
    elif task.memory_mib:
        grown = budget.grown_mib(task.memory_mib, budget.memory)
        memory = max(slots * task.memory_mib, min(grown, most or grown))
    elif limits.memory_mib is not None and limits.cores:
        memory = max(1, limits.memory_mib * cores // limits.cores - taken)
    else:
        memory = DEFAULT_MEMORY_PER_CORE_MIB * cores
    if most is None or memory <= most:
        return memory
    at_a_time = f": {most // task.memory_mib} tasks at a time" if task.memory_mib else ""
    case.notes.append(
        f"memory per worker: {most} MiB, not {memory}; a node of {case.choice.title} has no "
        f"more beside {case.backend} itself{at_a_time}"
    )
    return most


def _workers(case: _SizeInputs, worker: Size, job_memory_mib: int, slots: int) -> int:
    flag, wish = case.request.nodes, case.bag.workers.count
    workers = flag or wish or DEFAULT_WORKERS
    if not ENGINES[case.backend].joins:
        if workers > 1 and (flag or wish):
            case.notes.append(f"workers: 1, not {workers}; the pool works on one node")
        return 1
    least = case.request.min_workers or 1
    if workers < least:
        if wish:
            case.notes.append(f"workers: {least}, not {workers}; --min-workers is {least}")
        workers = least
    enough = ceil(case.request.tasks / max(1, slots))
    if not flag and workers > enough:
        if wish:
            case.notes.append(f"workers: {enough}, not {workers}; more would find no task")
        workers = enough
    for most, why in _most_workers(case, worker, job_memory_mib):
        if workers > most:
            if flag or wish:
                case.notes.append(f"workers: {most}, not {workers}; {why}")
            workers = most
    return workers


def _most_workers(case: _SizeInputs, worker: Size, job_memory_mib: int) -> list[tuple[int, str]]:
    limits, site = case.choice.limits, case.site
    found: list[tuple[int, str]] = []
    if case.shape == "allocation":
        if limits.max_nodes is not None:
            found.append((limits.max_nodes, f"a job in {case.choice.title} has no more nodes"))
        return found
    if case.request.max_workers is not None:
        found.append((case.request.max_workers, f"--max-workers is {case.request.max_workers}"))
    for submitted in (limits.max_submitted, site.limits.max_submitted):
        if submitted is not None:
            why = f"you may have {submitted} jobs there, the head's among them"
            found.append((max(1, submitted - 1), why))
    if site.scheduler == "emulated":
        room = _free_resources(site, worker, job_memory_mib)
        found.append((max(1, room), "the emulated nodes have no room for more beside the head"))
    return found


def _free_resources(site: Site, worker: Size, job_memory_mib: int) -> int:
    """Return how many workers the emulated nodes hold at once, with the head on one of them."""
    shape = site.emulated

    def on_a_node(cores: int, memory_mib: int) -> int:
        return max(0, min(cores // worker.cores, memory_mib // job_memory_mib))

    beside_head = on_a_node(shape.cpus - HEAD_CORES, shape.memory_mib - HEAD_MEMORY_MIB)
    return (shape.nodes - 1) * on_a_node(shape.cpus, shape.memory_mib) + beside_head
