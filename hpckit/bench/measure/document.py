"""The document of a scenario, `hpckit.bench/1`; docs/reference/commands.md shows one."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hpckit.bench.measure import machine
from hpckit.bench.measure.cases import Run
from hpckit.bench.measure.checks import check, check_correctness
from hpckit.bench.measure.cluster import BenchCluster
from hpckit.bench.measure.parameters import Parameters
from hpckit.bench.measure.sample import RunResult, sample
from hpckit.bench.measure.statistics import figures
from hpckit.bench.measure.workload import Workload
from hpckit.bench.report.load_results import SCHEMA

_SLOWDOWN: Final = 1.3  # a note is made from this ratio on: task among others by task alone


@dataclass
class Measurements:
    """All measurements of one scenario.

    Attributes:
        runs: with the number of the repeat.
        alone: times of a task by itself, by size.
        busy: CPUs that others kept busy, before and after.
        failed: messages of baselines that failed, by case.
    """

    runs: list[tuple[Run, int, RunResult]] = field(default_factory=list)
    alone: dict[int, list[float]] = field(default_factory=dict)
    busy: list[float] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def task_s(self, size: int) -> float:
        """Return how long a task of a size takes by itself."""
        return statistics.median(self.alone[size])

    def fail(self, case: str, message: str) -> None:
        """Note that a case failed; its earlier runs are dropped and not compared."""
        self.failed[case] = message
        self.runs = [each for each in self.runs if each[0].case.name != case]

    def notes(self) -> list[str]:
        """Return the notes of the cases, and which of them failed."""
        of_cases = dict.fromkeys(run.note for run, _, _ in self.runs if run.note)
        return [*of_cases, *self.failed.values()]


def make_document(
    parameters: Parameters,
    cluster: BenchCluster,
    workloads: Sequence[Workload],
    measured: Measurements,
    missing: Sequence[str],
) -> dict[str, Any]:
    """Return the document of a scenario."""
    samples = [
        sample(
            run.case, run.workload, result, repeat=repeat, task_s=measured.task_s(run.workload.size)
        )
        for run, repeat, result in measured.runs
    ]
    checks, incomparable = check_correctness(samples)
    if parameters.scenario == "spot":
        taken = sum(one["reclaimed"] for one in samples)
        hint = "No worker was reclaimed in time: give more --tasks, or a shorter --life."
        checks.append(check("workers reclaimed, at least", taken, 1, passed=taken >= 1, hint=hint))
    noise = machine.noise(measured.busy, measured.alone)
    return {
        "schema": SCHEMA,
        "scenario": parameters.scenario,
        "place": cluster.to_dict(),
        "when": datetime.datetime.now(datetime.UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
        "machine": {
            **machine.describe(), "busy_before": round(measured.busy[0], 2),
            "busy_after": round(measured.busy[1], 2), "noisy": bool(noise), "noise": noise,
        },
        "versions": machine.versions(workloads[0]),
        "parameters": parameters.to_dict(),
        "missing": list(missing),
        "notes": [*_notes(parameters, cluster, samples), *measured.notes()],
        "checks": checks,
        "alone": {
            str(size): [round(t, 6) for t in times] for size, times in measured.alone.items()
        },
        "samples": samples,
        "figures": figures([one for one in samples if one["size"] not in incomparable]),
        "timelines": _timelines(parameters.scenario, measured),
    }  # fmt: skip


def _notes(
    parameters: Parameters, cluster: BenchCluster, samples: Sequence[dict[str, Any]]
) -> list[str]:
    """Return notes for readers of the figures."""
    notes = []
    if parameters.scenario == "spot" and cluster.kind == "emulated":
        notes.append(
            f"{parameters.grace_s + parameters.kill_wait_s:g} s after a reclaim's warning, what "
            "still runs is killed; Slurm's default KillWait is 30 s, in which shorter tasks can end"
        )
    if cluster.nodes == 1 and cluster.kind == "emulated":
        notes.append("the emulated node has one CPU more than the workers take: for the head")
    shared = sorted(
        {one["workers"] for one in samples if one["slots"] < one["workers"] * one["cpus"]}
    )
    if shared:
        notes.append(
            f"the emulated nodes share {machine.cpu_count()} CPUs: the ideal with "
            f"{', '.join(map(str, shared))} workers is that of {machine.cpu_count()} slots"
        )
    ratios = [one["mean_task_s"] / one["task_s"] for one in samples if one["mean_task_s"]]
    if cluster.kind == "slurm" and ratios and statistics.median(ratios) > _SLOWDOWN:
        notes.append(
            f"among others, a task took {statistics.median(ratios):.1f} times as long as alone on "
            "this machine: the nodes are slower, or share CPUs; the efficiency shows that too"
        )
    return notes


def _timelines(scenario: str, measured: Measurements) -> list[dict[str, Any]]:
    """Return a timeline per case: of the run with the most workers, then the most reclaims."""
    if scenario == "baseline":
        return []
    best: dict[tuple[str, bool], tuple[Run, RunResult]] = {}
    for run, _, result in measured.runs:
        key = (run.case.name, run.case.undisturbed)
        rank = (run.case.workers, result.losses.reclaimed)
        held = best.get(key)
        if held is None or rank > (held[0].case.workers, held[1].losses.reclaimed):
            best[key] = (run, result)
    return [
        {"case": name, "undisturbed": undisturbed, "workers": list(result.workers)}
        for (name, undisturbed), (_, result) in best.items()
    ]
