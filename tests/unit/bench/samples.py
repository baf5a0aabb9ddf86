"""Samples as a scenario makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpckit.bench.measure.sample import Case, Losses, RunResult, sample
from hpckit.bench.measure.workload import Workload


def workload(size: int = 16, tasks: int = 100) -> Workload:
    return Workload(program=Path("/bin/true"), size=size, tasks=tasks, tolerance=1e-3, seed=1)


def case(name: str = "hpckit-workqueue", **changes: Any) -> Case:
    values: dict[str, Any] = {
        "name": name, "engine": name.partition("-")[2], "hpckit": name.startswith("hpckit"),
        "workers": 1, "cpus": 2, "slots": 2, **changes,
    }  # fmt: skip
    return Case(**values)


def result(**changes: Any) -> RunResult:
    values: dict[str, Any] = {
        "started_at": 1000.0, "first_task_at": 1002.0, "last_task_end_at": 1006.0,
        "results_known_at": 1006.5, "done": 100, "digest": "d1", "losses": Losses(), **changes,
    }  # fmt: skip
    return RunResult(**values)


def make(
    name: str = "hpckit-workqueue", *, size: int = 16, tasks: int = 100, **changes: Any
) -> dict[str, Any]:
    """Return a sample; `changes` are of the run, or of the case where it has such a field."""
    of_case = {k: v for k, v in changes.items() if k in Case.__dataclass_fields__}
    of_run = {k: v for k, v in changes.items() if k not in of_case}
    return sample(
        case(name, **of_case), workload(size, tasks), result(**of_run), repeat=0, task_s=0.05
    )
