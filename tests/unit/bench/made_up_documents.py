"""Made-up documents of the form `hpckit.bench/1`, for tests alone."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

TASK_S = {16: 0.0061, 96: 0.31}
OVERHEAD_MS = {
    "hpckit-workqueue": 6.0, "plain-workqueue": 21.0, "hpckit-ray": 7.5, "plain-ray": 4.0,
    "hpckit-pool": 3.1, "parallel": 9.0,
}  # fmt: skip
START_S = {"hpckit-workqueue": 1.5, "hpckit-ray": 8.7, "plain-ray": 5.0}
VERSIONS = {"hpckit": "0.1.0", "ray": "2.60.0", "workqueue": "9.9", "hyperqueue": None}


def interval(value: float, share: float = 0.06) -> dict[str, float]:
    return {"median": value, "low": value * (1 - share), "high": value * (1 + share),
            "spread": value * share}  # fmt: skip


def a_run(case: str, size: int, workers: int, *, undisturbed: bool = True) -> dict[str, Any]:
    """Return a sample of `case`, on two cores that all workers share."""
    task_s, tasks = TASK_S[size], 200
    slots = min(workers, 2)
    slower = (1.2 if workers > 2 else 1.0) * (1 if undisturbed else 1.4)
    work_s = tasks * (task_s + OVERHEAD_MS[case] / 1000) / slots * slower
    start_s = START_S.get(case, 0.4)
    return {
        "case": case, "engine": case.rpartition("-")[2], "hpckit": case.startswith("hpckit"),
        "repeat": 0, "size": size, "task_s": task_s, "tasks": tasks, "workers": workers,
        "cpus": 1, "slots": slots, "makespan_s": start_s + work_s, "start_up_s": start_s,
        "work_s": work_s, "throughput_per_s": tasks / work_s,
        "overhead_per_task_ms": (work_s * slots - tasks * task_s) / tasks * 1000,
        "ideal_s": tasks * task_s / slots, "efficiency": tasks * task_s / slots / work_s,
        "head_memory_mib": 61.0, "worker_memory_mib": None if case == "parallel" else 84.0,
        "bytes_moved": None, "mean_task_s": task_s * 1.1, "digest": "ab12",
        "undisturbed": undisturbed,
        "reclaimed": 0 if undisturbed else 5, "tasks_lost": 0, "recorded_twice": 0,
        "redone": 0 if undisturbed else 3, "wasted_core_s": 0.0 if undisturbed else 1.7,
        "capacity_used": 0.9 if undisturbed else 0.8,
    }  # fmt: skip


def a_figure(sample: dict[str, Any]) -> dict[str, Any]:
    """Return the figure of three equal samples."""
    group = {
        key: sample[key]
        for key in ("case", "size", "workers", "undisturbed", "engine", "hpckit", "tasks", "cpus",
                    "slots", "task_s")
    }  # fmt: skip
    left_out = {*group, "repeat", "digest", "tasks_lost", "recorded_twice"}
    measures = {
        key: None if value is None else interval(value)
        for key, value in sample.items()
        if key not in left_out
    }
    return {**group, "n": 3, "confidence": 0.75, **measures}


def a_timeline(case: str, *, undisturbed: bool, workers: int = 4) -> dict[str, Any]:
    """Return workers that run tasks one after the other; if disturbed, every other is reclaimed."""
    chance, lines, start_s = random.Random(case), [], START_S.get(case, 0.4)
    for number in range(workers if undisturbed else workers + 2):
        late = number >= workers
        at, tasks = start_s + chance.random() + (9 if late else 0), []
        taken = not undisturbed and number % 2 == 0 and not late
        end = 11.0 + number if taken else 17.0 + (0 if undisturbed else 5)
        begun = at
        while at < end - 0.7:
            took = 0.3 + chance.random() / 3
            tasks.append([at, took, "ok"])
            at += took + 0.02
        if taken:
            tasks.append([at, end - at, "lost"])
        lines.append({"name": f"12_{number}", "start_s": begun - 0.3, "end_s": end, "tasks": tasks,
                      "state": "PREEMPTED" if taken else "COMPLETED"})  # fmt: skip
    return {"case": case, "undisturbed": undisturbed, "workers": lines}


def a_document(scenario: str = "baseline", **changes: Any) -> dict[str, Any]:
    """Return a whole document; `changes` replace its top keys."""
    cases = list(OVERHEAD_MS) if scenario == "baseline" else ["hpckit-workqueue", "hpckit-ray"]
    samples = [a_run(case, size, n) for size in TASK_S for n in (1, 2, 4) for case in cases]
    lines = [a_timeline(case, undisturbed=True) for case in cases] if scenario != "baseline" else []
    if scenario == "spot":
        samples += [a_run(case, 96, 4, undisturbed=False) for case in cases]
        lines += [a_timeline(case, undisturbed=False) for case in cases]
    return {
        "schema": "hpckit.bench/1", "scenario": scenario,
        "place": {"kind": "emulated", "version": "22.05.8", "nodes": 4, "cpus_per_node": 2},
        "when": "2026-11-21T23:59:00Z",
        "machine": {"cpus": 2, "memory_mib": 7900, "model": "a machine", "kernel": "6.1",
                    "python": "3.11.2", "noisy": False, "noise": []},
        "alone": {str(size): [task_s] * 3 for size, task_s in TASK_S.items()},
        "versions": dict(VERSIONS),
        "parameters": {"tasks": 200, "size": [16, 96], "tolerance": 0.001, "workers": [1, 2, 4],
                       "cpus": 1, "port": 0, "repeats": 3, "seed": 1,
                       "backends": ["workqueue", "ray"], "life_s": 40.0, "grace_s": 0.0,
                       "kill_wait_s": 0.0},
        "checks": [{"name": "tasks lost", "value": 0, "limit": 0, "pass": True}],
        "samples": samples, "figures": [a_figure(sample) for sample in samples],
        "timelines": lines, **changes,
    }  # fmt: skip


def write(results: Path, name: str, document: dict[str, Any]) -> Path:
    """Write a document to the place where the summary reads it."""
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"bench-{name}.json"
    path.write_text(json.dumps(document))
    return path
