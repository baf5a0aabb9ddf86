"""`hpckit bench summary`: all that was measured in one table, and in pictures.

Reads whichever of `results/bench-*.json` are there, writes `results/summary.txt`, draws into
`results/pictures/`, and names what is missing with the command that makes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hpckit.bench.gathered import Bench, Figure, Interval, gather, in_order, missing
from hpckit.errors import InputError
from hpckit.run.rundir import write_atomically
from hpckit.spec.units import human_bytes, human_duration

SCHEMA: Final = "hpckit.bench-summary/1"
_NONE: Final = "-"
_Row = Sequence[str]
#: Measures that only mean something where workers were taken away.
LOSSES: Final = ("reclaimed", "redone", "wasted_core_s", "capacity_used")


def main(
    results: Path, as_json: bool, *, write_docs: bool = False, check_docs: bool = False
) -> int:
    """Summarise what lies in `results`, draw it, and print the summary.

    With `write_docs`, the figures in the documents of this checkout are filled in; with
    `check_docs`, documents and results are compared and nothing is written.

    Returns:
        0, or 1 when a check of a scenario failed, or a document disagrees with the results.

    Raises:
        InputError: nothing was measured, or what was is not to be compared.
        StorageError: a file cannot be read or written.
    """
    if check_docs:
        return _check_docs(results)
    found = gather(results)
    failed = _summarise(found, results, as_json=as_json) if found else 0
    if write_docs:
        failed += _fill_docs(results)
    if not found:
        raise InputError(
            f"nothing was measured yet: no bench-*.json in {results}",
            hint=f"Measure first: hpckit bench baseline --out {results}, then slurm and spot.",
        )
    return 1 if failed else 0


def _summarise(found: Sequence[Bench], results: Path, *, as_json: bool) -> int:
    """Write and print the summary, draw the pictures; return how many checks failed."""
    text = render(found)
    write_atomically(results / "summary.txt", text, mode=0o644)
    pictures, trouble = _draw(found, results / "pictures")
    document = to_document(found, pictures)
    sys.stdout.write(json.dumps(document, indent=2) + "\n" if as_json else text)
    if trouble:
        sys.stderr.write(trouble + "\n")
    failed: int = document["failed"]
    return failed


def _fill_docs(results: Path) -> int:
    """Fill the documents; return how much in them is wrong now: claims that do not hold."""
    from hpckit.bench.figures import check_documents, write_documents

    lines = write_documents(results)
    verdict = check_documents(results)
    for line in (*lines, *verdict.faults, verdict.last_line()):
        sys.stderr.write(line + "\n")
    return len(verdict.faults)


def _check_docs(results: Path) -> int:
    from hpckit.bench.figures import check_documents

    verdict = check_documents(results)
    for line in (*verdict.unmeasured, *verdict.faults):
        sys.stdout.write(line + "\n")
    sys.stdout.write(verdict.last_line() + "\n")
    return 1 if verdict.faults else 0


def _draw(found: Sequence[Bench], directory: Path) -> tuple[list[str], str]:
    """Return the pictures that were drawn, and what to say when none could be."""
    from hpckit.bench.plots import draw, missing_library

    trouble = missing_library()
    return ([], trouble) if trouble else ([str(path) for path in draw(found, directory)], "")


def render(found: Sequence[Bench]) -> str:
    """Return the summary as text: a block for each scenario, what failed, what is missing."""
    blocks = [_block(bench) for bench in found]
    failed = [
        f"  FAILED {bench.name}: {check.name}: {check.value}, limit {check.limit}"
        for bench in found
        for check in bench.body.checks
        if not check.passed
    ]
    checks = sum(len(bench.body.checks) for bench in found)
    blocks.append("\n".join([f"Checks: {checks - len(failed)} of {checks} passed.", *failed]))
    gaps = [f"  {name}: {how}" for name, how in missing(found).items()]
    if gaps:
        blocks.append("\n".join(["Not measured:", *gaps]))
    return "\n\n".join(blocks) + "\n"


def _block(bench: Bench) -> str:
    body = bench.body
    lines = [f"{bench.name}: {bench.where}; {body.when}", f"  {describe_machine(bench)}"]
    lines += [f"  noisy: {reason}" for reason in noise(bench)]
    lines.append(aligned(_HEAD, [_row(bench, figure) for figure in ordered(bench.figures)]))
    if any(bench.crowded(figure.workers) for figure in bench.figures):
        lines.append(f"  * {crowded_words(bench)}")
    added = added_by_hpckit(bench)
    if added:
        lines += ["  what hpckit adds to one task:", aligned(("engine", *_ADDED), added)]
    lost = losses(bench)
    if lost:
        lines += ["  where workers were taken away:", aligned(LOSS_HEAD, lost)]
    return "\n".join(lines)


def describe_machine(bench: Bench) -> str:
    """Return the machine, the versions and what was varied, in one line."""
    machine, versions = bench.body.machine, bench.body.versions
    known = [f"{name} {version}" for name, version in versions.items() if version]
    named = f"{machine.cpus} CPUs" + (f" ({machine.model})" if machine.model else "")
    return "; ".join([named, ", ".join(known)]) if known else named


def noise(bench: Bench) -> list[str]:
    """Return why the figures are to be doubted; nothing on a quiet machine."""
    machine = bench.body.machine
    return [*machine.noise] or ["the machine was busy"] if machine.noisy else []


def crowded_words(bench: Bench) -> str:
    """Return what to think of workers that share CPUs."""
    return (
        f"these workers share the {bench.body.machine.cpus} CPUs of one machine, and are held "
        "against so many tasks at a time; more workers can gain nothing here"
    )


def ordered(figures: Iterable[Figure]) -> list[Figure]:
    """Sort as tables show: by task length, workers, case; the undisturbed first."""
    figures = list(figures)
    rank = {case: place for place, case in enumerate(in_order(f.case for f in figures))}
    return sorted(figures, key=lambda f: (f.size, f.workers, rank[f.case], not f.undisturbed))


_HEAD: Final = (
    "case", ">task", ">tasks", ">workers", ">n", ">makespan", ">start-up", ">tasks/s",
    ">overhead/task", ">efficiency", ">head", ">worker", ">moved",
)  # fmt: skip


def _row(bench: Bench, figure: Figure) -> list[str]:
    task_s = bench.task_s(figure.size)
    measures = figure.measures
    return [
        figure.case + ("" if figure.undisturbed else ", reclaimed"),
        human_duration(task_s) if task_s is not None else f"size {figure.size}",
        str(bench.tasks(figure.size) or _NONE),
        f"{figure.workers}{'*' if bench.crowded(figure.workers) else ''}",
        str(figure.n),
        full(measures.get("makespan_s"), seconds),
        plain(measures.get("start_up_s"), seconds),
        plain(measures.get("throughput_per_s"), per_second),
        full(measures.get("overhead_per_task_ms"), milliseconds),
        plain(measures.get("efficiency"), percent),
        plain(measures.get("head_memory_mib"), mib),
        plain(measures.get("worker_memory_mib"), mib),
        plain(measures.get("bytes_moved"), human_bytes),
    ]


def added_by_hpckit(bench: Bench) -> list[list[str]]:
    """Return engine, task, workers, overhead alone and with hpckit, where both were measured."""
    alone = {
        (f.case.removeprefix("plain-"), f.size, f.workers): f
        for f in bench.figures
        if f.case.startswith("plain-") and f.undisturbed
    }
    rows = []
    for figure in ordered(figure for figure in bench.figures if figure.undisturbed):
        engine = figure.case.removeprefix("hpckit-")
        other = alone.get((engine, figure.size, figure.workers))
        if engine == figure.case or other is None or bench.crowded(figure.workers):
            continue
        ours, theirs = (f.median("overhead_per_task_ms") for f in (figure, other))
        if ours is None or theirs is None:
            continue
        task_s = bench.task_s(figure.size) or 0.0
        rows.append(
            [engine, human_duration(task_s), str(figure.workers), milliseconds(theirs),
             milliseconds(ours), f"{ours - theirs:+.3g} ms"]
        )  # fmt: skip
    return rows


_ADDED: Final = (">task", ">workers", ">alone", ">with hpckit", ">difference")
LOSS_HEAD: Final = (
    "case", ">workers", ">undisturbed", ">reclaimed", ">longer", ">reclaims", ">run again",
    ">wasted", ">used", ">lost", ">twice",
)  # fmt: skip


def losses(bench: Bench) -> list[list[str]]:
    """Return what being disturbed came to, beside the undisturbed run of the same case."""
    calm = {(f.case, f.size, f.workers): f for f in bench.figures if f.undisturbed}
    rows = []
    for figure in ordered(bench.figures):
        if figure.undisturbed:
            continue
        before = calm.get((figure.case, figure.size, figure.workers))
        was = before.median("makespan_s") if before else None
        now = figure.median("makespan_s")
        rows.append(
            [figure.case, str(figure.workers),
             seconds(was) if was else _NONE, seconds(now) if now else _NONE,
             f"x{now / was:.2f}" if now and was else _NONE,
             *(plain(figure.measures.get(name), _LOSS_UNITS.get(name, count)) for name in LOSSES),
             *(str(bench.total(figure, name)) for name in ("tasks_lost", "recorded_twice"))]
        )  # fmt: skip
    return rows


def seconds(value: float) -> str:
    """Return ``"4.20 s"``: three digits, at least."""
    return f"{three(value)} s"


def milliseconds(value: float) -> str:
    """Return ``"7.90 ms"``."""
    return f"{three(value)} ms"


def per_second(value: float) -> str:
    """Return ``"71.4/s"``."""
    return f"{three(value)}/s"


def percent(value: float) -> str:
    """Return a share as ``"22 %"``."""
    return f"{value * 100:.0f} %"


def mib(value: float) -> str:
    """Return ``"61 MiB"``."""
    return f"{value:.0f} MiB"


def count(value: float) -> str:
    """Return a count; a median between two counts keeps its half."""
    return f"{value:g}"


def three(value: float) -> str:
    """Return a number with three digits, and no power of ten: 0.0123, 4.20, 71.4, 1234."""
    if value == 0:
        return "0"
    digits = max(0, 2 - _magnitude(abs(value)))
    return f"{value:.{digits}f}"


def _magnitude(value: float) -> int:
    return int(f"{value:.2e}".partition("e")[2])


_LOSS_UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "wasted_core_s": seconds,
    "capacity_used": percent,
}


def plain(interval: Interval | None, unit: Callable[[float], str]) -> str:
    """Return the median, or a dash where nothing was measured."""
    return unit(interval.median) if interval else _NONE


def full(interval: Interval | None, unit: Callable[[float], str]) -> str:
    """Return the median and its confidence interval: ``"4.20 s (4.00 to 4.50)"``."""
    if interval is None:
        return _NONE
    return f"{unit(interval.median)} ({between(interval, unit).removesuffix(_tail(unit))})"


def between(interval: Interval, unit: Callable[[float], str]) -> str:
    """Return the confidence interval, its unit said once: ``"4.00 to 4.50 s"``."""
    low, high = unit(interval.low), unit(interval.high)
    number, _, tail = high.rpartition(" ")
    return f"{low.removesuffix(' ' + tail) if number else low} to {high}"


def _tail(unit: Callable[[float], str]) -> str:
    """Return what a unit puts behind a number: ``" s"``."""
    return unit(1.0).removeprefix(unit(1.0).partition(" ")[0])


def aligned(head: _Row, rows: Sequence[_Row]) -> str:
    """Lay rows out under their head; a column whose name starts with ``>`` is set to the right."""
    names = [name.removeprefix(">") for name in head]
    widths = [max(len(cell) for cell in column) for column in zip(names, *rows, strict=True)]
    lines = []
    for cells in (names, *rows):
        padded = (
            cell.rjust(width) if name.startswith(">") else cell.ljust(width)
            for cell, width, name in zip(cells, widths, head, strict=True)
        )
        lines.append("  " + "  ".join(padded).rstrip())
    return "\n".join(lines)


def to_document(found: Sequence[Bench], pictures: Sequence[str]) -> dict[str, Any]:
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
        "missing": [{"scenario": name, "command": how} for name, how in missing(found).items()],
        "pictures": list(pictures),
    }


def _scenario(bench: Bench) -> dict[str, Any]:
    kept = ("when", "place", "machine", "versions", "parameters")
    return {
        "name": bench.name,
        "file": str(bench.path),
        "digest": bench.digest,
        **{key: bench.raw.get(key) for key in kept},
    }
