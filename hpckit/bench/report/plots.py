"""The pictures of the comparison: by task length, by workers, and the timelines of workers.

matplotlib is imported only when something is drawn; without it there are still the tables. Every
case has its name beside it, so that no information is in the color alone. An SVG that is drawn
twice from the same document is the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hpckit.assets import how_to_install
from hpckit.bench.report.load_results import BenchResult, Figure, Interval, sort_cases
from hpckit.bench.report.numbers import Unit, describe_medians, milliseconds, seconds
from hpckit.bench.report.plot_style import FAINT, INK, engine_color, new_canvas, plot_context, stamp
from hpckit.bench.report.plot_timelines import timelines
from hpckit.bench.report.rows import task_length
from hpckit.model.units import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_MAX_LENGTHS: Final = 4
_RATE: Final = "throughput_per_s"
_OFFSET: Final = 0.012  # of the width of a panel, between cases, so that bars do not overlap


def missing_library() -> str:
    """Return the message if matplotlib is missing, else an empty string."""
    if find_spec("matplotlib"):
        return ""
    return f"no pictures: matplotlib is not installed; {how_to_install('bench')}"


def draw(found: Sequence[BenchResult], directory: Path) -> list[Path]:
    """Draw all pictures for which the documents have data, as PNG and as SVG.

    Returns:
        The files, in order: `bench-SCENARIO-lengths|scaling|timelines.png|svg`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, Callable[[BenchResult], Canvas | None]] = {
        "lengths": lengths,
        "scaling": scaling,
        "timelines": timelines,
    }
    paths = []
    for bench in found:
        for kind, make in kinds.items():
            with plot_context():
                canvas = make(bench)
                if canvas is not None:
                    paths += _save(canvas, directory / f"bench-{bench.name}-{kind}", bench)
    return paths


def _save(canvas: Canvas, path: Path, bench: BenchResult) -> list[Path]:
    """Write both files, with the document they were drawn from as metadata."""
    png, svg = path.with_suffix(".png"), path.with_suffix(".svg")
    canvas.savefig(png, dpi=130, metadata={"Software": None, "Description": stamp(bench)})
    canvas.savefig(svg, metadata={"Date": None, "Creator": None, "Description": stamp(bench)})
    return [png, svg]


def _length_name(bench: BenchResult, size: int) -> str:
    return f"{bench.tasks(size)} tasks of {task_length(bench, size)}"


def _note(figures: Sequence[Figure], *more: str) -> str:
    """Explain how to read a picture of these figures."""
    n, confidence = min((figure.n, figure.confidence) for figure in figures)
    words = [f"Dots: {describe_medians(n, confidence, 'bars:')}.", *more]
    if any(_hollow(figure) for figure in figures):
        words.insert(1, "Hollow: without hpckit, by itself.")
    return " ".join(words)


def _hollow(figure: Figure) -> bool:
    return not figure.hpckit


def lengths(bench: BenchResult) -> Canvas | None:
    """Draw makespan and overhead per task of each case, a column per task length."""
    undisturbed = [figure for figure in bench.figures if figure.undisturbed]
    if not undisturbed:
        return None
    workers = bench.fair_workers(undisturbed)
    chosen = [figure for figure in undisturbed if figure.workers == workers]
    sizes = sorted({figure.size for figure in chosen})[:_MAX_LENGTHS]
    cases = sort_cases(figure.case for figure in chosen)
    text = f"makespan and overhead, {counted(workers, 'worker')}"
    note = _note(chosen, "To the left is better.")
    canvas = new_canvas(bench, text, note, (2.4 + 3.6 * len(sizes), 1.7 + 0.62 * len(cases)))
    axes = canvas.subplots(2, len(sizes), squeeze=False, sharey=True)
    for column, size in enumerate(sizes):
        figures = {figure.case: figure for figure in chosen if figure.size == size}
        top, bottom = axes[0][column], axes[1][column]
        _plot_dots(top, cases, figures, "makespan_s", seconds)
        _plot_dots(bottom, cases, figures, "overhead_per_task_ms", milliseconds)
        top.set_title(_length_name(bench, size))
        top.set_xlabel("makespan, submit to last result [s]")
        bottom.set_xlabel("overhead per task [ms of a slot]")
        ideal = next(iter(figures.values())).median("ideal_s")
        if ideal:
            _mark_ideal(top, ideal, len(cases))
    return canvas


def _mark_ideal(axes: Axes, ideal: float, rows: int) -> None:
    axes.axvline(ideal, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        f"ideal {seconds(ideal)}", (ideal, -0.62), (3, 0), textcoords="offset points",
        fontsize=7.5, color=INK, va="center",
    )  # fmt: skip
    axes.set_ylim(rows - 0.5, -0.95)


def _plot_dots(
    axes: Axes,
    cases: Sequence[str],
    figures: dict[str, Figure],
    measure: str,
    unit: Unit,
) -> None:
    """Draw a row per case: the median, its interval, and the number beside it."""
    for row, case in enumerate(cases):
        figure = figures.get(case)
        interval = figure.measures.get(measure) if figure else None
        if figure is None or interval is None:
            axes.annotate("not measured", (0, row), (4, 0), textcoords="offset points",
                          va="center", fontsize=7.5, color="#777777")  # fmt: skip
            continue
        color = engine_color(figure.engine)
        axes.plot([interval.low, interval.high], [row, row], color=color, linewidth=2.5,
                  alpha=0.6, solid_capstyle="butt", zorder=2)  # fmt: skip
        axes.plot([interval.median], [row], marker="o", markersize=7, color=color,
                  markerfacecolor="white" if _hollow(figure) else color, markeredgewidth=1.8,
                  zorder=3)  # fmt: skip
        axes.annotate(unit(interval.median), (max(interval.high, interval.median), row), (7, 0),
                      textcoords="offset points", va="center", fontsize=8,
                      bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.6},
                      )  # fmt: skip
    axes.set_yticks(range(len(cases)), cases)
    axes.set_ylim(len(cases) - 0.5, -0.5)
    shown = [figures[case].measures[measure] for case in cases
             if case in figures and measure in figures[case].measures]  # fmt: skip
    axes.set_xlim(*_span(shown))
    axes.grid(axis="x", color="#E5E5E5", linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.set_axisbelow(True)


def _span(shown: Sequence[Interval]) -> tuple[float, float]:
    """Return the range of an axis from 0 or below, with room for the last number."""
    top = max((interval.high for interval in shown), default=1.0)
    low = min(0.0, min((interval.low for interval in shown), default=0.0))
    width = max(top - low, 1e-9)
    return low - (0.06 * width if low < 0 else 0), top + 0.35 * width


def scaling(bench: BenchResult) -> Canvas | None:
    """Draw tasks per second by workers, and the ideal, a column per task length."""
    undisturbed = [figure for figure in bench.figures if figure.undisturbed]
    sizes = [
        size
        for size in sorted({figure.size for figure in undisturbed})
        if len({figure.workers for figure in undisturbed if figure.size == size}) > 1
    ][:_MAX_LENGTHS]
    if not sizes:
        return None
    drawn = [figure for figure in undisturbed if figure.size in sizes]
    oversubscribed = any(bench.is_oversubscribed(figure.workers) for figure in drawn)
    shaded = "Shaded: more workers than this machine has CPUs for, where none can gain."
    note = _note(drawn, *([shaded] if oversubscribed else []))
    canvas = new_canvas(bench, "scaling by workers", note, (2.4 + 4.4 * len(sizes), 4.6))
    panels = canvas.subplots(1, len(sizes), squeeze=False)[0]
    for axes, size in zip(panels, sizes, strict=True):
        _scale(axes, bench, [figure for figure in drawn if figure.size == size])
        axes.set_title(_length_name(bench, size))
    panels[0].set_ylabel("throughput [tasks per second]")
    return canvas


def _scale(axes: Axes, bench: BenchResult, figures: Sequence[Figure]) -> None:
    """Draw the lines of one task length, with their names to the right of the panel."""
    workers = sorted({figure.workers for figure in figures})
    ideal = _ideal_line(axes, bench, figures[0].size, workers)
    ends = [(ideal, "ideal", INK)] if ideal else []
    cases = sort_cases(figure.case for figure in figures)
    for number, case in enumerate(cases):
        offset = _OFFSET * workers[-1] * (number - (len(cases) - 1) / 2)
        last = _line(axes, [figure for figure in figures if figure.case == case], offset)
        if last is not None and last.workers == workers[-1]:
            ends.append((last.measures[_RATE].median, case, engine_color(last.engine)))
        elif last is not None:
            axes.annotate(case, (last.workers, last.measures[_RATE].median), (7, 0),
                          textcoords="offset points", fontsize=8, color=engine_color(last.engine),
                          va="center")  # fmt: skip
    highs = [figure.measures[_RATE].high for figure in figures if _RATE in figure.measures]
    top = max([ideal, *highs]) or 1.0
    axes.set_ylim(0, top * 1.08)
    axes.set_xlim(0, workers[-1] * 1.05)
    _label_ends(axes, workers[-1], ends, top)
    axes.set_xticks(workers)
    axes.set_xlabel("workers")
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)


def _line(axes: Axes, figures: Sequence[Figure], offset: float) -> Figure | None:
    """Draw the line of one case, moved to the right by `offset`; return its last point."""
    points = sorted((f for f in figures if _RATE in f.measures), key=lambda f: f.workers)
    if not points:
        return None
    last = points[-1]
    hollow, color = _hollow(last), engine_color(last.engine)
    rates = [figure.measures[_RATE] for figure in points]
    errors = [
        [rate.median - rate.low for rate in rates],
        [rate.high - rate.median for rate in rates],
    ]
    axes.errorbar([figure.workers + offset for figure in points], [rate.median for rate in rates],
                  yerr=errors, color=color, marker="o", markersize=6, linewidth=1.6,
                  markerfacecolor="white" if hollow else color,
                  linestyle=":" if hollow else "-", capsize=0, elinewidth=1.6)  # fmt: skip
    return last


def _ideal_line(axes: Axes, bench: BenchResult, size: int, workers: Sequence[int]) -> float:
    """Draw the throughput of slots without overhead; return its highest point.

    Nodes that share the CPUs of this machine have no more slots: there the line is flat.
    """
    task_s = bench.task_s(size)
    if not task_s:
        return 0.0
    most, own = workers[-1], bench.cpus(workers[-1])
    slots = bench.slots(most) or most * own
    bend = slots / own  # the number of workers from which on they share CPUs
    xs = [0.0, *([bend] if bend < most else []), float(most)]
    ys = [min(x * own, slots) / task_s for x in xs]
    axes.plot(xs, ys, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if bend < most:
        axes.axvspan(bend, most * 1.05, color="#F1F1F1", zorder=0)
    return ys[-1]


def _label_ends(axes: Axes, x: float, ends: Sequence[tuple[float, str, str]], top: float) -> None:
    """Name the lines to the right of the panel, far enough apart to be readable."""
    ends = sorted(ends)
    positions = spread_labels([y for y, _, _ in ends], apart=top * 0.066, top=top * 1.05)
    for (y, case, color), at in zip(ends, positions, strict=True):
        axes.annotate(
            case, (x, y), (x * 1.09, at), fontsize=8.5, color=color, va="center",
            annotation_clip=False, arrowprops={
                "arrowstyle": "-", "color": FAINT, "linewidth": 0.7, "relpos": (0, 0.5),
            },
        )  # fmt: skip


def spread_labels(wanted: Sequence[float], *, apart: float, top: float) -> list[float]:
    """Return positions at least `apart`, in the same order, near to `wanted`."""
    positions: list[float] = []
    for y in wanted:
        positions.append(max(y, positions[-1] + apart) if positions else y)
    if not positions:
        return []
    shift = (sum(positions) - sum(wanted)) / len(positions)
    shift = max(shift, positions[-1] - top)
    shift = min(shift, positions[0] - apart / 2)
    return [position - shift for position in positions]
