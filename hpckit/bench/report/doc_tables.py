"""Tables of measured figures, as Markdown for the documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from hpckit.bench.report.doc_references import choose_size, choose_workers, selectors, unit_of
from hpckit.bench.report.load_results import BenchResult, Figure, Interval
from hpckit.bench.report.numbers import describe_medians, format_full, format_median
from hpckit.bench.report.rows import (
    ADDED_HEAD,
    LOSS_HEAD,
    describe_machine,
    describe_oversubscription,
    loss_rows,
    noise_reasons,
    overhead_rows,
    sort_figures,
    task_length,
)
from hpckit.errors import InputError, did_you_mean
from hpckit.model.units import counted


def table(bench: BenchResult, words: Sequence[str]) -> list[str]:
    """Return the lines of the table that `words` name: its kind, then selectors.

    Raises:
        InputError: there is no such table, or not for this scenario.
    """
    kind = words[0] if words else ""
    if kind not in _TABLES:
        raise InputError(f"no table {kind!r};{did_you_mean(kind, _TABLES)}")
    return _TABLES[kind](bench, selectors(words[1:]))


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(name.removeprefix(">") for name in head) + " |"
    yield "|" + "|".join("---:" if name.startswith(">") else "---" for name in head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


_COLUMNS: Final = (
    ("makespan", "makespan_s"),
    ("start-up", "start_up_s"),
    ("throughput", "throughput_per_s"),
    ("overhead per task", "overhead_per_task_ms"),
    ("efficiency", "efficiency"),
    ("head's memory", "head_memory_mib"),
    ("a worker's memory", "worker_memory_mib"),
    ("moved", "bytes_moved"),
)


def _cases(bench: BenchResult, chosen: Mapping[str, str]) -> list[str]:
    """Return a row per case, for one task length and one number of workers."""
    figures = [f for f in bench.figures if f.undisturbed]
    size = choose_size(bench, figures, chosen.get("size", "least"))
    figures = [f for f in figures if f.size == size]
    workers = choose_workers(bench, figures, chosen.get("workers", "fair"))
    rows = [
        [f"`{f.case}`", *(_cell(f.measures.get(key), key) for _, key in _COLUMNS)]
        for f in sort_figures(figures)
        if f.workers == workers
    ]
    table = _markdown(("case", *(f">{name}" for name, _ in _COLUMNS)), rows)
    n, confidence = min((f.n, f.confidence) for f in figures if f.workers == workers)
    words = [
        f"{bench.tasks(size)} tasks of {task_length(bench, size)} on "
        f"{counted(workers, 'worker')}, {bench.slots(workers)} at a time; "
        f"{describe_medians(n, confidence, 'makespan and overhead with')}.",
        *_warnings(bench, oversubscribed=bench.is_oversubscribed(workers)),
    ]
    return [*table, "", " ".join(words)]


def _cell(interval: Interval | None, measure: str) -> str:
    whole = measure in {"makespan_s", "overhead_per_task_ms"}
    return (format_full if whole else format_median)(interval, unit_of(measure))


def _warnings(bench: BenchResult, *, oversubscribed: bool) -> list[str]:
    words = [f"**Noisy:** {reason}." for reason in noise_reasons(bench)]
    return [*words, f"Mind: {describe_oversubscription(bench)}."] if oversubscribed else words


def _scaling(bench: BenchResult, chosen: Mapping[str, str]) -> list[str]:
    """Return a row per case and a column per number of workers."""
    measure = chosen.get("measure", "throughput_per_s")
    figures = [f for f in bench.figures if f.undisturbed]
    size = choose_size(bench, figures, chosen.get("size", "most"))
    figures = [f for f in figures if f.size == size]
    numbers = sorted({f.workers for f in figures})
    at = {(f.case, f.workers): f for f in figures}
    rows = [
        [f"`{case}`", *(_at(at.get((case, n)), measure) for n in numbers)]
        for case in bench.cases()
        if any((case, n) in at for n in numbers)
    ]
    head = ("case", *(f">{counted(n, 'worker')}" for n in numbers))
    warned = _warnings(bench, oversubscribed=any(bench.is_oversubscribed(n) for n in numbers))
    words = f"`{measure}`, {bench.tasks(size)} tasks of {task_length(bench, size)}."
    return [*_markdown(head, rows), "", " ".join([words, *warned])]


def _at(figure: Figure | None, measure: str) -> str:
    return format_median(figure.measures.get(measure) if figure else None, unit_of(measure))


def _reclaimed(bench: BenchResult, _: Mapping[str, str]) -> list[str]:
    """Return the runs with reclaims beside the undisturbed ones."""
    rows = loss_rows(bench)
    if not rows:
        raise InputError(f"{bench.path.name} has no runs with reclaims")
    return [*_markdown(LOSS_HEAD, rows), *_warnings_below(bench)]


def _added(bench: BenchResult, _: Mapping[str, str]) -> list[str]:
    """Return the overhead per task of each engine, alone and with hpckit."""
    rows = overhead_rows(bench)
    if not rows:
        raise InputError(f"{bench.path.name} has no engine both alone and with hpckit")
    return [*_markdown(ADDED_HEAD, rows), *_warnings_below(bench)]


def _warnings_below(bench: BenchResult) -> list[str]:
    words = _warnings(bench, oversubscribed=False)
    return ["", *words] if words else []


def _machine(bench: BenchResult, _: Mapping[str, str]) -> list[str]:
    """Return a line that says where, when and with which versions it was measured."""
    return [f"Measured {bench.body.when} on {describe_machine(bench)}."]


_TABLES: Final[Mapping[str, Callable[[BenchResult, Mapping[str, str]], list[str]]]] = {
    "cases": _cases,
    "scaling": _scaling,
    "reclaimed": _reclaimed,
    "added": _added,
    "machine": _machine,
}
