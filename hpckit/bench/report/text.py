"""The document of a scenario as text: tables, checks and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hpckit.bench.report.load_results import ClusterInfo, describe_slurm
from hpckit.bench.report.numbers import describe_medians
from hpckit.model.units import counted, human_bytes
from hpckit.report.tables import table_lines

Document = Mapping[str, Any]
Column = tuple[str, str, str]  # its title, the measure, the format of a number
_COLUMNS: Final[Sequence[Column]] = (
    ("makespan s", "makespan_s", ".1f"),
    ("start-up s", "start_up_s", ".1f"),
    ("tasks/s", "throughput_per_s", ".1f"),
    ("overhead ms/task", "overhead_per_task_ms", ".1f"),
    ("efficiency", "efficiency", ".2f"),
)
_MEMORY: Final[Sequence[Column]] = (
    ("head MiB", "head_memory_mib", ".0f"), ("worker MiB", "worker_memory_mib", ".0f"),
)  # fmt: skip
_SPOT: Final[Sequence[Column]] = (
    ("makespan s", "makespan_s", ".1f"),
    ("efficiency", "efficiency", ".2f"),
    ("capacity used", "capacity_used", ".2f"),
    ("reclaimed", "reclaimed", ".0f"),
    ("done again", "redone", ".0f"),
    ("wasted core s", "wasted_core_s", ".2f"),
)
#: Shown with their confidence interval; the document has all of them.
_INTERVALS: Final = frozenset({"makespan_s", "overhead_per_task_ms", "wasted_core_s"})


def render(document: Document) -> str:
    """Return the whole text."""
    lines = [*_head(document), ""]
    for size in dict.fromkeys(figure["size"] for figure in document["figures"]):
        group = [figure for figure in document["figures"] if figure["size"] == size]
        one = group[0]
        alone = f"{one['task_s'] * 1000:.1f} ms each alone"
        lines += [f"{one['tasks']} tasks of size {size}, {alone}; n = {one['n']}", ""]
        lines += [*table_lines(*_table(document["scenario"], group)), "", _legend(group), ""]
    lines += _closing_lines(document)
    return "\n".join(lines) + "\n"


def _legend(group: Sequence[Document]) -> str:
    """Explain a cell of the tables."""
    n, confidence = min((figure["n"], figure["confidence"]) for figure in group)
    spread = "; median ± interquartile range" if n > 1 else ""
    return describe_medians(n, confidence, "[in brackets]") + spread


def _head(document: Document) -> list[str]:
    machine, asked = document["machine"], document["parameters"]
    measured_on = describe_slurm(msgspec.convert(document["place"], ClusterInfo), machine["cpus"])
    versions = ", ".join(f"{k} {v}" for k, v in document["versions"].items() if v)
    return [
        f"hpckit bench {document['scenario']}, {document['when']}",
        f"on        {measured_on}",
        f"machine   {counted(machine['cpus'], 'CPU')}, {machine['model']}, "
        f"{machine['memory_mib']} MiB, Linux {machine['kernel']}, Python {machine['python']}",
        f"versions  {versions}",
        f"repeats   {asked['repeats']}, interleaved; seed {asked['seed']}; "
        f"tolerance {asked['tolerance']:g}",
    ]


def _table(scenario: str, group: Sequence[Document]) -> tuple[list[str], list[list[str]]]:
    columns = _SPOT if scenario == "spot" else (*_COLUMNS, *_MEMORY)
    names = ["case", ">workers", ">slots", *(f">{title}" for title, _, _ in columns)]
    names += [] if scenario == "spot" else [">moved"]
    rows = []
    for figure in group:
        name = figure["case"] if figure["undisturbed"] else f"{figure['case']}, reclaimed"
        row = [name, f"{figure['workers']} x {figure['cpus']}", str(figure["slots"])]
        row += [
            _cell(figure[measure], form, n=figure["n"], interval=measure in _INTERVALS)
            for _, measure, form in columns
        ]
        if scenario != "spot":
            moved = figure["bytes_moved"]
            row.append(human_bytes(moved["median"]) if moved else "-")
        rows.append(row)
    return names, rows


def _cell(value: Mapping[str, float] | None, form: str, *, n: int, interval: bool) -> str:
    if value is None:
        return "-"
    median, spread, low, high = (
        format(value[key], form) for key in ("median", "spread", "low", "high")
    )
    if n == 1:
        return median
    return f"{median} ± {spread}" + (f" [{low}, {high}]" if interval else "")


def _closing_lines(document: Document) -> list[str]:
    lines = [
        f"{'ok  ' if check['pass'] else 'MISS'} {check['name']}: {check['value']:g} "
        f"(limit {check['limit']:g})"
        for check in document["checks"]
    ]
    machine = document["machine"]
    lines += [f"note: {text}" for text in document["notes"]]
    lines += [f"NOISY: {text}" for text in machine["noise"]]
    if not machine["noise"]:
        lines.append("the machine was quiet")
    lines += [f"not installed, so not measured: {text}" for text in document["missing"]]
    return lines
