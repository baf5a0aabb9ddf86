"""The measurements of one run, and the sample that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hpckit.bench.measure.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to run a bag.

    Attributes:
        slots: tasks that can really run at the same time.
    """

    name: str
    engine: str
    hpckit: bool
    workers: int
    cpus: int
    slots: int
    undisturbed: bool = True


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The costs of reclaims in one run.

    Attributes:
        reclaimed: reclaims of worker jobs; a requeued job can be reclaimed again.
        tasks_lost: tasks that were not done in the end.
        recorded_twice: results of tasks that already had one.
        redone: starts beyond one per task, counted from files that the tasks write.
        wasted_core_s: core-seconds that these took.
    """

    reclaimed: int = 0
    tasks_lost: int = 0
    recorded_twice: int = 0
    redone: int = 0
    wasted_core_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The result of one run. Times are Unix times in seconds.

    Attributes:
        started_at: start of the command that the user types.
        first_task_at, last_task_end_at: first start and last end of a task.
        results_known_at: when the journal, or the baseline script, had the last result.
        done: tasks that ended well.
        digest: of the outputs.
        mean_task_s: average time of a task; None if the tool does not report it.
        head_mib, worker_mib: peak memory; None if it was not measured.
        bytes_moved: bytes through the loopback interface; None if that means nothing.
        workers: of the timeline.
    """

    started_at: float
    first_task_at: float
    last_task_end_at: float
    results_known_at: float
    done: int
    digest: str
    mean_task_s: float | None = None
    head_mib: float | None = None
    worker_mib: float | None = None
    bytes_moved: int | None = None
    losses: Losses = field(default_factory=Losses)
    workers: Sequence[dict[str, Any]] = ()


def sample(
    case: Case, workload: Workload, result: RunResult, *, repeat: int, task_s: float
) -> dict[str, Any]:
    """Return the sample of one run, as the document has it."""
    work_s = max(result.last_task_end_at - result.first_task_at, 1e-6)
    ideal_s = workload.tasks * task_s / case.slots
    overhead_s = (work_s * case.slots - workload.tasks * task_s) / workload.tasks
    return {
        "case": case.name, "engine": case.engine, "hpckit": case.hpckit, "repeat": repeat,
        "size": workload.size, "task_s": round(task_s, 6), "tasks": workload.tasks,
        "workers": case.workers, "cpus": case.cpus, "slots": case.slots,
        "makespan_s": round(result.results_known_at - result.started_at, 3),
        "start_up_s": round(result.first_task_at - result.started_at, 3),
        "work_s": round(work_s, 3),
        "throughput_per_s": round(workload.tasks / work_s, 3),
        "overhead_per_task_ms": round(overhead_s * 1000, 3),
        "ideal_s": round(ideal_s, 4),
        "efficiency": round(ideal_s / work_s, 4),
        "capacity_used": _capacity_used(case, result),
        "head_memory_mib": _rounded(result.head_mib),
        "worker_memory_mib": _rounded(result.worker_mib),
        "bytes_moved": result.bytes_moved,
        "digest": result.digest,
        "tolerance": workload.tolerance, "done": result.done,
        "mean_task_s": None if result.mean_task_s is None else round(result.mean_task_s, 6),
        "undisturbed": case.undisturbed,
        **{**vars(result.losses), "wasted_core_s": round(result.losses.wasted_core_s, 3)},
    }  # fmt: skip


def _capacity_used(case: Case, result: RunResult) -> float | None:
    """Return the part of the workers' core-seconds that went into tasks that count.

    A worker counts from when it joined until it left, or the last task ended. A task counts with
    the time that it took there, which is longer than alone if CPUs are shared.
    """
    last = result.last_task_end_at - result.started_at
    workers_s: float = sum(max(0.0, min(w["end_s"], last) - w["start_s"]) for w in result.workers)
    if not workers_s or result.mean_task_s is None:
        return None
    return round(result.mean_task_s * result.done / (workers_s * case.cpus), 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
