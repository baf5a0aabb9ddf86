"""What is measured of one run, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hpckit.bench.measure.workload import Load


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to run a bag."""

    name: str
    engine: str
    hpckit: bool
    workers: int
    cpus: int
    slots: int  # tasks that can really run at a time
    undisturbed: bool = True


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What reclaims cost a run.

    Attributes:
        reclaimed: lives of worker jobs that Slurm has taken back.
        tasks_lost: tasks that were not done in the end.
        recorded_twice: results of tasks that had one already.
        redone: starts of tasks beyond one each, as their own files tell.
        wasted_core_s: seconds that these took.
    """

    reclaimed: int = 0
    tasks_lost: int = 0
    recorded_twice: int = 0
    redone: int = 0
    wasted_core_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One run. Times are Unix times in seconds.

    Attributes:
        began: when the program was started that the user types.
        first_start, last_end: of tasks.
        known: when the last result was known to whom the user asks: the journal, or the script.
        done: tasks that ended well.
        digest: of the outputs.
        mean_task_s: what a task took on average; None where nobody tells.
        head_mib, worker_mib: peak memory; None where it was not seen.
        moved: bytes through the loopback interface meanwhile; None where that says nothing.
    """

    began: float
    first_start: float
    last_end: float
    known: float
    done: int
    digest: str
    mean_task_s: float | None = None
    head_mib: float | None = None
    worker_mib: float | None = None
    moved: int | None = None
    losses: Losses = field(default_factory=Losses)
    workers: Sequence[dict[str, Any]] = ()  # of the timeline


def sample(case: Case, load: Load, ran: Ran, *, repeat: int, task_s: float) -> dict[str, Any]:
    """Return the document's sample of one run."""
    work_s = max(ran.last_end - ran.first_start, 1e-6)
    ideal_s = load.tasks * task_s / case.slots
    overhead_s = (work_s * case.slots - load.tasks * task_s) / load.tasks
    return {
        "case": case.name, "engine": case.engine, "hpckit": case.hpckit, "repeat": repeat,
        "size": load.size, "task_s": round(task_s, 6), "tasks": load.tasks,
        "workers": case.workers, "cpus": case.cpus, "slots": case.slots,
        "makespan_s": round(ran.known - ran.began, 3),
        "start_up_s": round(ran.first_start - ran.began, 3),
        "work_s": round(work_s, 3),
        "throughput_per_s": round(load.tasks / work_s, 3),
        "overhead_per_task_ms": round(overhead_s * 1000, 3),
        "ideal_s": round(ideal_s, 4),
        "efficiency": round(ideal_s / work_s, 4),
        "capacity_used": _capacity_used(case, ran),
        "head_memory_mib": _rounded(ran.head_mib),
        "worker_memory_mib": _rounded(ran.worker_mib),
        "bytes_moved": ran.moved,
        "digest": ran.digest,
        "tolerance": load.tolerance, "done": ran.done,
        "mean_task_s": None if ran.mean_task_s is None else round(ran.mean_task_s, 6),
        "undisturbed": case.undisturbed,
        **{**vars(ran.losses), "wasted_core_s": round(ran.losses.wasted_core_s, 3)},
    }  # fmt: skip


def _capacity_used(case: Case, ran: Ran) -> float | None:
    """Return which part of the workers' core-seconds went into tasks that count.

    Workers count from when they joined until they left, or the last task ended. A task counts with
    the time that it took there, which is longer than alone where CPUs are shared.
    """
    last = ran.last_end - ran.began
    there_s: float = sum(max(0.0, min(w["end_s"], last) - w["start_s"]) for w in ran.workers)
    if not there_s or ran.mean_task_s is None:
        return None
    return round(ran.mean_task_s * ran.done / (there_s * case.cpus), 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
