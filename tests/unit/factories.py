"""Plans and tasks for tests that need any plan or task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpckit.model.plan import Plan, Size
from hpckit.model.retries import Retries
from hpckit.model.task import Task, TaskSettings
from hpckit.protocol.result import OK, TaskResult
from hpckit.run.rundir import RunDir


def make_plan(**changes: Any) -> Plan:
    base: dict[str, Any] = {
        "run": "bag-1",
        "run_dir": "/scratch/ada/bag-1",
        "bag": "bag",
        "backend": "workqueue",
        "shape": "array",
        "site": "local",
        "scheduler": "emulated",
        "slurm_bin": "",
        "python": "/opt/hpckit/bin/python",
        "tasks": 10,
        "head": Size(cores=1, memory_mib=1000, walltime_s=3600),
        "worker": Size(cores=2, memory_mib=2000, walltime_s=3600),
        "workers": 2,
        "task_settings": TaskSettings(run="bag-1"),
        "retries": Retries(),
        "warning_s": 60,
        "setup": (),
        "jobs": (),
    }
    return Plan(**{**base, **changes})


def make_run_dir(root: Path) -> RunDir:
    run_dir = RunDir(root)
    for folder in (root, run_dir.journal, run_dir.output, run_dir.spool, run_dir.logs):
        folder.mkdir(exist_ok=True)
    return run_dir


def make_tasks(count: int) -> list[Task]:
    return [Task(index=i, key=f"key{i}", argv=("true", str(i))) for i in range(count)]


def make_result(index: int, kind: str = OK, **changes: Any) -> TaskResult:
    base: dict[str, Any] = {"index": index, "attempt": 1, "kind": kind, "wall_s": 0.1}
    if kind == OK:
        base["exit_code"] = 0
    return TaskResult(**{**base, **changes})
