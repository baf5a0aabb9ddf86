"""Rows of the tables that the summary and the documents share, and the notes below them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hpckit.bench.report.load_results import BenchResult, Figure, sort_cases
from hpckit.bench.report.numbers import (
    NONE,
    count,
    format_full,
    format_median,
    milliseconds,
    percent,
    seconds,
)
from hpckit.model.units import counted, human_duration

ADDED_HEAD: Final = ("engine", ">task", ">workers", ">n", ">alone", ">with hpckit", ">difference")
LOSS_HEAD: Final = (
    "case", ">task", ">workers", ">n", ">undisturbed", ">reclaimed", ">longer", ">reclaims",
    ">run again", ">wasted", ">used, undisturbed / reclaimed", ">lost", ">twice",
)  # fmt: skip
NOT_TOLD_APART: Final = "not told apart"


def describe_machine(bench: BenchResult) -> str:
    """Return cluster, machine and versions in one line."""
    model = bench.body.machine.model
    known = [f"{name} {version}" for name, version in bench.body.versions.items() if version]
    measured_on = bench.measured_on + (f" ({model})" if model else "")
    return "; ".join([measured_on, ", ".join(known)]) if known else measured_on


def noise_reasons(bench: BenchResult) -> list[str]:
    """Return the reasons to doubt the figures; none on a quiet machine."""
    machine = bench.body.machine
    return [*machine.noise] or ["the machine was busy"] if machine.noisy else []


def describe_oversubscription(bench: BenchResult) -> str:
    """Explain the ideal of workers that share CPUs."""
    shared = {figure.workers for figure in bench.figures if bench.is_oversubscribed(figure.workers)}
    slots = max((bench.slots(workers) or 0 for workers in shared), default=0)
    return (
        f"these workers share the {counted(bench.body.machine.cpus, 'CPU')} of one machine: the "
        f"ideal counts {counted(slots, 'task')} at a time, and more workers can gain nothing here"
    )


def task_length(bench: BenchResult, size: int) -> str:
    """Return how long a task of that size takes alone: ``"105 ms"``."""
    task_s = bench.task_s(size)
    return human_duration(task_s) if task_s is not None else f"size {size}"


def sort_figures(figures: Iterable[Figure]) -> list[Figure]:
    """Sort figures for a table: by task length, workers and case, undisturbed first."""
    figures = list(figures)
    rank = {case: number for number, case in enumerate(sort_cases(f.case for f in figures))}
    return sorted(figures, key=lambda f: (f.size, f.workers, rank[f.case], not f.undisturbed))


def overhead_rows(bench: BenchResult) -> list[list[str]]:
    """Return rows of `ADDED_HEAD`: the overhead per task of an engine, alone and with hpckit.

    If both intervals overlap, no difference is given.
    """
    undisturbed = [figure for figure in bench.figures if figure.undisturbed]
    alone = {(f.engine, f.size, f.workers): f for f in undisturbed if not f.hpckit}
    rows = []
    for figure in sort_figures(figure for figure in undisturbed if figure.hpckit):
        other = alone.get((figure.engine, figure.size, figure.workers))
        if other is None or bench.is_oversubscribed(figure.workers):
            continue
        ours, theirs = (f.measures.get("overhead_per_task_ms") for f in (figure, other))
        if ours is None or theirs is None:
            continue
        n = min(figure.n, other.n)
        apart = n > 1 and not ours.overlaps(theirs)
        difference = f"{ours.median - theirs.median:+.3g} ms" if apart else NOT_TOLD_APART
        rows.append(
            [figure.engine, task_length(bench, figure.size), str(figure.workers), str(n),
             format_full(theirs, milliseconds), format_full(ours, milliseconds), difference]
        )  # fmt: skip
    return rows


def loss_rows(bench: BenchResult) -> list[list[str]]:
    """Return rows of `LOSS_HEAD`: runs with reclaims beside the undisturbed ones."""
    undisturbed = {(f.case, f.size, f.workers): f for f in bench.figures if f.undisturbed}
    return [
        _loss(bench, figure, undisturbed.get((figure.case, figure.size, figure.workers)))
        for figure in sort_figures(bench.figures)
        if not figure.undisturbed
    ]


def _loss(bench: BenchResult, figure: Figure, before: Figure | None) -> list[str]:
    here, was = figure.measures, before.measures if before else {}
    then, now = was.get("makespan_s"), here.get("makespan_s")
    used = (format_median(measures.get("capacity_used"), percent) for measures in (was, here))
    return [
        figure.case,
        task_length(bench, figure.size),
        str(figure.workers),
        str(figure.n),
        format_full(then, seconds),
        format_full(now, seconds),
        f"x{now.median / then.median:.2f}" if now and then and then.median else NONE,
        format_median(here.get("reclaimed"), count),
        format_median(here.get("redone"), count),
        format_median(here.get("wasted_core_s"), seconds),
        " / ".join(used),
        *(str(bench.total(figure, name)) for name in ("tasks_lost", "recorded_twice")),
    ]
