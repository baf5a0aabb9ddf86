"""All results as one text and as one document, for `hpckit bench summary`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hpckit.bench.report.load_results import BenchResult, Figure, list_missing
from hpckit.bench.report.numbers import (
    NONE,
    describe_medians,
    format_full,
    format_median,
    mib,
    milliseconds,
    per_second,
    percent,
    seconds,
)
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
from hpckit.model.units import human_bytes
from hpckit.report.tables import table_lines

SCHEMA: Final = "hpckit.bench-summary/1"
_HEAD: Final = (
    "case", ">task", ">tasks", ">workers", ">n", ">makespan", ">start-up", ">tasks/s",
    ">overhead/task", ">efficiency", ">head", ">worker", ">moved",
)  # fmt: skip


def render(found: Sequence[BenchResult]) -> str:
    """Return the summary as text: a block per scenario, then failed checks and missing results."""
    blocks = ["\n".join(_block(bench)) for bench in found]
    failed = [
        f"  FAILED {bench.name}: {check.name}: {check.value}, limit {check.limit}"
        for bench in found
        for check in bench.body.checks
        if not check.passed
    ]
    checks = sum(len(bench.body.checks) for bench in found)
    blocks.append("\n".join([f"Checks: {checks - len(failed)} of {checks} passed.", *failed]))
    not_measured = [f"  {name}: {how}" for name, how in list_missing(found).items()]
    if not_measured:
        blocks.append("\n".join(["Not measured:", *not_measured]))
    return "\n\n".join(blocks) + "\n"


def _block(bench: BenchResult) -> list[str]:
    body = bench.body
    lines = [f"{bench.name}, measured {body.when}", describe_machine(bench)]
    lines += [f"noisy: {reason}" for reason in noise_reasons(bench)]
    lines += table_lines(_HEAD, [_row(bench, figure) for figure in sort_figures(bench.figures)])
    if bench.figures:
        lines.append(_medians(bench.figures))
    if any(bench.is_oversubscribed(figure.workers) for figure in bench.figures):
        lines.append(f"* {describe_oversubscription(bench)}")
    added = overhead_rows(bench)
    if added:
        lines += ["what hpckit adds to one task:", *table_lines(ADDED_HEAD, added)]
    lost = loss_rows(bench)
    if lost:
        lines += ["where workers were taken away:", *table_lines(LOSS_HEAD, lost)]
    return [lines[0], *(f"  {line}" for line in lines[1:])]


def _medians(figures: Sequence[Figure]) -> str:
    n, confidence = min((figure.n, figure.confidence) for figure in figures)
    return describe_medians(n, confidence, "makespan and overhead with")


def _row(bench: BenchResult, figure: Figure) -> list[str]:
    measures = figure.measures
    return [
        figure.case + ("" if figure.undisturbed else ", reclaimed"),
        task_length(bench, figure.size),
        str(bench.tasks(figure.size) or NONE),
        f"{figure.workers}{'*' if bench.is_oversubscribed(figure.workers) else ''}",
        str(figure.n),
        format_full(measures.get("makespan_s"), seconds),
        format_median(measures.get("start_up_s"), seconds),
        format_median(measures.get("throughput_per_s"), per_second),
        format_full(measures.get("overhead_per_task_ms"), milliseconds),
        format_median(measures.get("efficiency"), percent),
        format_median(measures.get("head_memory_mib"), mib),
        format_median(measures.get("worker_memory_mib"), mib),
        format_median(measures.get("bytes_moved"), human_bytes),
    ]


def to_document(found: Sequence[BenchResult], pictures: Sequence[str]) -> dict[str, Any]:
    """Return the document of ``--json``."""
    checks = [
        {"scenario": bench.name, "name": check.name, "value": check.value, "limit": check.limit,
         "pass": check.passed}
        for bench in found
        for check in bench.body.checks
    ]  # fmt: skip
    return {
        "schema": SCHEMA,
        "scenarios": [_scenario(bench) for bench in found],
        "figures": [
            {"scenario": bench.name, **item} for bench in found for item in bench.raw["figures"]
        ],
        "checks": checks,
        "failed": sum(not check["pass"] for check in checks),
        "missing": [
            {"scenario": name, "command": how} for name, how in list_missing(found).items()
        ],
        "pictures": list(pictures),
    }


def _scenario(bench: BenchResult) -> dict[str, Any]:
    kept = ("when", "place", "machine", "versions", "parameters")
    return {
        "name": bench.name,
        "file": str(bench.path),
        "digest": bench.digest,
        **{key: bench.raw.get(key) for key in kept},
    }
