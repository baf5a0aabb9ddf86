"""The picture of what each worker did; reclaimed workers are marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Final

from hpckit.bench.report.load_results import BenchResult, Timeline, WorkerLine, sort_cases
from hpckit.bench.report.numbers import seconds
from hpckit.bench.report.plot_style import INK, LOST, engine_color, new_canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_LANE: Final = 0.8  # of the row of a worker
_TOP: Final = -1.0  # above the first row: for the makespan
_MAX_WORDS: Final = 10
_NEAR_THE_EDGE: Final = 0.85  # of the last end: from here on, text stands to the left
_MAX_VECTOR_TASKS: Final = 3000  # for more, bars are drawn as pixels inside the SVG
#: Last states of workers that did not leave by themselves.
_PREEMPTED_STATES: Final = (
    "PREEMPTED",
    "NODE_FAIL",
    "FAILED",
    "LOST",
    "KILLED",
    "TIMEOUT",
    "CANCELLED",
)
_REQUEUED: Final = re.compile(r"^[^-]*\dr\d")  # as in 282_1r1-node


def timelines(bench: BenchResult) -> Canvas | None:
    """Draw what each worker did: a row of panels per engine, undisturbed beside disturbed."""
    lines = [line for line in bench.body.timelines if line.workers]
    if not lines:
        return None
    cases = sort_cases(line.case for line in lines)
    kinds = [kind for kind in (True, False) if any(line.undisturbed is kind for line in lines)]
    found = {(line.case, line.undisturbed): line for line in lines}
    rows = [max(len(found[key].workers) for key in found if key[0] == case) for case in cases]
    heights = [1.1 + 0.24 * min(count, 24) for count in rows]
    canvas = new_canvas(
        bench, "what the workers did", _note(lines), (1.8 + 5.2 * len(kinds), 0.9 + sum(heights))
    )
    axes = canvas.subplots(
        len(cases), len(kinds), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    last = max(_end(line) for line in lines)
    for row, case in enumerate(cases):
        for column, kind in enumerate(kinds):
            title = f"{case}: {'undisturbed' if kind else 'workers taken away'}"
            color = engine_color(bench.engine(case))
            _panel(axes[row][column], found.get((case, kind)), title, color, last)
    return canvas


def _note(lines: Sequence[Timeline]) -> str:
    """Explain which runs are shown and how to read them; leave out what is not drawn."""
    workers = [worker for line in lines for worker in line.workers]
    preempted = any(_was_preempted(worker) for worker in workers)
    words = [
        "Of each case, the run with the most workers" + (" and reclaims." if preempted else ".")
    ]
    words.append("A row is a worker: pale while it was there, a bar for each task.")
    if any(_REQUEUED.search(worker.name) for worker in workers):
        words.append(
            "Its name is job_element[r = requeued]-node. The gap before a row with r1 in its "
            "name: Slurm holds the requeued job back."
        )
    else:
        words.append("Its name is job_element-node.")
    if preempted:
        words.append("Cross: taken away, with Slurm's word for it.")
    if any(not _was_done(kind) for worker in workers for _, _, kind in worker.tasks):
        words.append("Yellow: a task that was lost.")
    words.append("Vertical line: the last task ended.")
    return " ".join(words)


def _panel(axes: Axes, line: Timeline | None, title: str, color: str, last: float) -> None:
    axes.set_xlim(0, last * 1.12)
    axes.set_xlabel("time since submit [s]")
    if line is None:
        axes.set_title(f"{title}: not measured")
        axes.set_yticks([])
        return
    workers = sorted(line.workers, key=lambda worker: (worker.start_s, worker.name))
    tasks = sum(len(worker.tasks) for worker in workers)
    for row, worker in enumerate(workers):
        _worker(axes, row, worker, color, as_pixels=tasks > _MAX_VECTOR_TASKS)
    _mark_preempted(axes, workers, last)
    done = _end(line)
    axes.axvline(done, color=INK, linewidth=1, zorder=1.5)
    axes.annotate(f" {seconds(done)}", (done, _TOP), (1, 0), textcoords="offset points",
                  fontsize=8.5, fontweight="bold", va="center")  # fmt: skip
    axes.set_title(title)
    axes.set_ylim(len(workers) - 0.4, _TOP - 0.5)
    every = ceil(len(workers) / 24)
    axes.set_yticks(
        range(0, len(workers), every), [worker.name for worker in workers[::every]], fontsize=7.5
    )
    axes.tick_params(axis="y", length=0)


def _worker(axes: Axes, row: int, worker: WorkerLine, color: str, *, as_pixels: bool) -> None:
    axes.broken_barh([(worker.start_s, worker.end_s - worker.start_s)], (row - 0.45, 0.9),
                     facecolors="#EDEDED")  # fmt: skip
    lanes = in_lanes(worker.tasks)
    height = _LANE / max(1, len(lanes))
    for number, lane in enumerate(lanes):
        colors = [_task_color(kind, color, even=number % 2 == 0)
                  for number, (_, _, kind) in enumerate(lane)]  # fmt: skip
        axes.broken_barh(
            [(start, duration) for start, duration, _ in lane],
            (row - _LANE / 2 + number * height, height * 0.92),
            facecolors=colors, linewidth=0, rasterized=as_pixels,
        )  # fmt: skip


def _mark_preempted(axes: Axes, workers: Sequence[WorkerLine], last: float) -> None:
    """Put a cross where a worker was reclaimed, with the reason if there is room."""
    preempted = [(row, worker) for row, worker in enumerate(workers) if _was_preempted(worker)]
    for row, worker in preempted:
        axes.plot([worker.end_s], [row], marker="X", markersize=8, color=INK,
                  markeredgecolor="white", zorder=4, clip_on=False)  # fmt: skip
        if len(preempted) <= _MAX_WORDS:
            left = worker.end_s > _NEAR_THE_EDGE * last
            axes.annotate(
                worker.state.lower().replace("_", " "), (worker.end_s, row),
                (-7, 0) if left else (7, 0), ha="right" if left else "left",
                textcoords="offset points", fontsize=7.5, va="center", zorder=5,
                bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.6},
            )  # fmt: skip


def _was_preempted(worker: WorkerLine) -> bool:
    return worker.state.upper().startswith(_PREEMPTED_STATES)


def _was_done(kind: str) -> bool:
    return kind in {"ok", "done"}


def _task_color(kind: str, color: str, *, even: bool) -> tuple[str, float]:
    """Return color and opacity of a task; two tints alternate, to tell neighbors apart."""
    return (color, 1.0 if even else 0.62) if _was_done(kind) else (LOST, 1.0)


def in_lanes(tasks: Sequence[tuple[float, float, str]]) -> list[list[tuple[float, float, str]]]:
    """Distribute tasks to as few lanes as possible, so that none overlap.

    Start and duration are rounded and from two clocks: an overlap of a few ms is none.
    """
    lanes: list[list[tuple[float, float, str]]] = []
    for task in sorted(tasks):
        free = next((lane for lane in lanes if lane[-1][0] + lane[-1][1] <= task[0] + 5e-3), None)
        if free is None:
            lanes.append([task])
        else:
            free.append(task)
    return lanes


def _end(line: Timeline) -> float:
    """Return when the last task ended, in seconds since the submit."""
    ends = [start + duration for worker in line.workers for start, duration, _ in worker.tasks]
    return max(ends, default=max(worker.end_s for worker in line.workers))
