"""`hpckit bench`: the engines measured on the same bag."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hpckit.cli import console
from hpckit.cli.bench_options import (
    Backends,
    Cpus,
    Grace,
    KillWait,
    Life,
    Out,
    Port,
    PreemptPartition,
    Repeats,
    Seed,
    Sizes,
    SpotPartition,
    Tasks,
    Tolerance,
    Workers,
)
from hpckit.cli.options import Json
from hpckit.errors import InputError

if TYPE_CHECKING:
    from hpckit.bench.report.load_results import BenchResult

app = typer.Typer(
    help="Measure the engines on the same bag.\n\nExample: hpckit bench baseline",
    no_args_is_help=True,
)


#: What the measuring calls the options, where that is not their own name.
_NAMES: Final = {"size": "sizes", "life": "life_s", "grace": "grace_s", "kill_wait": "kill_wait_s"}
_ASKED: Final = (
    "tasks", "size", "tolerance", "workers", "cpus", "port", "repeats", "seed", "backends", "life",
    "grace", "kill_wait",
)  # fmt: skip


def _asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for, by the names of `hpckit.bench.measure.parameters.Parameters`."""
    return {_NAMES.get(name, name): options.get(name) for name in _ASKED}


def _measuring(scenario: str) -> Callable[..., int]:
    """Return the command of a scenario that has no options of its own.

    typer reads the options off the signature, and the context holds them.
    """

    def command(  # noqa: PLR0913, PLR0917 - one parameter for each option
        context: typer.Context,
        tasks: Tasks = None,
        size: Sizes = None,
        tolerance: Tolerance = None,
        workers: Workers = None,
        cpus: Cpus = None,
        port: Port = None,
        repeats: Repeats = None,
        seed: Seed = None,
        backends: Backends = None,
        out: Out = Path("results"),
        as_json: Json = False,
    ) -> int:
        return _run(scenario, context.params, out, as_json=as_json)

    return command


app.command(
    "baseline",
    help="Measure on this machine, with hpckit and without.\n\n"
    "Each engine also as a plain user would take it, one task per call; so GNU parallel and "
    "HyperQueue, where installed.\n\n"
    "Example: hpckit bench baseline --repeats 5",
)(_measuring("baseline"))
app.command(
    "slurm",
    help="Measure scaling by workers, on Slurm.\n\n"
    "On the real Slurm where one answers, else on an emulated one of four nodes; it says which."
    "\n\nExample: hpckit bench slurm --workers 1,2,4,8",
)(_measuring("slurm"))


@app.command("spot")
def spot(  # noqa: PLR0913, PLR0917 - one parameter for each option
    context: typer.Context,
    tasks: Tasks = None,
    size: Sizes = None,
    tolerance: Tolerance = None,
    workers: Workers = None,
    cpus: Cpus = None,
    port: Port = None,
    repeats: Repeats = None,
    seed: Seed = None,
    backends: Backends = None,
    life: Life = None,
    grace: Grace = None,
    kill_wait: KillWait = None,
    spot_partition: SpotPartition = "",
    preempt_partition: PreemptPartition = "",
    out: Out = Path("results"),
    as_json: Json = False,
) -> int:  # fmt: skip
    """Measure what capacity costs that is taken back.

    Each bag runs undisturbed, and while its workers are reclaimed at random: by the emulator, or
    on a real Slurm by short jobs of a partition that goes before the workers'.

    Example: hpckit bench spot --repeats 10
    """
    partitions = {"spot_partition": spot_partition, "preempt_partition": preempt_partition}
    return _run("spot", context.params, out, as_json=as_json, **partitions)


def _run(
    scenario: str, options: Mapping[str, Any], out: Path, *, as_json: bool, **partitions: str
) -> int:
    """Measure, write what was measured, and show it; 1 if a check fails."""
    from hpckit.bench.measure import cases, machine, parameters, store
    from hpckit.bench.measure import scenario as scenarios
    from hpckit.bench.report import text
    from hpckit.cli.interrupts import when_interrupted
    from hpckit.engines.registry import installed

    asked = _asked(options)
    backends = parameters.choose_backends(asked["backends"] or (), installed())
    found = parameters.make_parameters(
        scenario, {**asked, "backends": backends}, cpus=machine.cpu_count()
    )
    store.prepare_directory(out)
    with when_interrupted(lambda: "interrupted; nothing is written, and nothing left running"):
        document = scenarios.measure(
            cases.ScenarioRequest(parameters=found, progress=console.note, **partitions)
        )
        paths = store.write(document, out)
    if as_json:
        console.document(document)
    else:
        console.raw(text.render(document))
    for path in paths:
        console.note(f"wrote {path}")
    for note in of_no_use(document["place"]["kind"], options):
        console.note(note)
    return _verdict(document["checks"])


#: Options that do something on one kind of Slurm alone, and what does it on the other.
_ONLY_EMULATED: Final = {
    "grace": "--grace did nothing: on a real Slurm, GraceTime of the partition or QOS says it",
    "kill_wait": "--kill-wait did nothing: on a real Slurm, KillWait in slurm.conf says it",
}
_ONLY_REAL: Final = {
    "preempt_partition": "--preempt-partition did nothing: the emulated Slurm reclaims by itself",
}


def of_no_use(kind: str, options: Mapping[str, Any]) -> list[str]:
    """Return a line for each option that was given, but does nothing on that kind of Slurm.

    Args:
        kind: ``emulated`` or ``slurm``.
        options: by their names; what was not given is None or empty.
    """
    words = _ONLY_REAL if kind == "emulated" else _ONLY_EMULATED
    return [text for name, text in words.items() if options.get(name) not in {None, ""}]


def _verdict(checks: Sequence[Mapping[str, Any]]) -> int:
    """Return the exit code, and say why it is not 0 and what to do."""
    failed = [check for check in checks if not check["pass"]]
    if not failed:
        return 0
    names = "; ".join(check["name"] for check in failed)
    console.note(f"hpckit: {len(failed)} of {len(checks)} checks failed: {names}")
    for check in failed:
        if check.get("hint"):
            console.note(f"  {check['hint']}")
    return 1


@app.command("summary")
def summary(
    out: Out = Path("results"),
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Fill the figures into a checkout's documents.")
    ] = False,
    check_docs: Annotated[
        bool, typer.Option("--check", help="Only compare the documents with the results.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Gather what was measured into one table, and draw it.

    Example: hpckit bench summary
    """
    if check_docs and (write_docs or as_json):
        other = "--write-docs" if write_docs else "--json"
        raise InputError(
            f"--check and {other} do not go together",
            hint="--check only compares, and prints a line for each difference; leave one out.",
        )
    if check_docs:
        return _check_docs(out)
    return _summarise(out, as_json=as_json, write_docs=write_docs)


def _summarise(results: Path, *, as_json: bool, write_docs: bool) -> int:
    """Summarise what lies in `results`, and fill the documents; 1 if something there is wrong."""
    from hpckit.bench.report.load_results import load_all

    found = load_all(results)
    failed = _show(found, results, as_json=as_json) if found else 0
    if write_docs:
        failed += _fill_docs(results)
    if not found:
        raise InputError(
            f"nothing was measured yet: no bench-*.json in {results}",
            hint=f"Measure first: hpckit bench baseline --out {results}, then slurm and spot.",
        )
    return 1 if failed else 0


def _show(found: Sequence[BenchResult], results: Path, *, as_json: bool) -> int:
    """Write and print the summary, draw the pictures; return how many checks failed."""
    from hpckit.bench.report.plots import draw, missing_library
    from hpckit.bench.report.summary import render, to_document
    from hpckit.run.rundir import write_atomically

    text = render(found)
    write_atomically(results / "summary.txt", text, mode=0o644)
    trouble = missing_library()
    pictures = [] if trouble else draw(found, results / "pictures")
    document = to_document(found, [str(path) for path in pictures])
    if as_json:
        console.document(document)
    else:
        console.raw(text)
    if trouble:
        console.note(trouble)
    failed: int = document["failed"]
    return failed


def _fill_docs(results: Path) -> int:
    """Fill the documents; return how much in them is wrong now: claims that do not hold."""
    from hpckit.bench.report.doc_figures import check_documents, write_documents

    lines = write_documents(results)
    verdict = check_documents(results)
    for line in (*lines, *verdict.faults, verdict.summary_line()):
        console.note(line)
    return len(verdict.faults)


def _check_docs(results: Path) -> int:
    """Compare documents and results, and write nothing; 1 if they disagree."""
    from hpckit.bench.report.doc_figures import check_documents

    verdict = check_documents(results)
    for line in (*verdict.unmeasured, *verdict.faults, verdict.summary_line()):
        console.line(line)
    return 1 if verdict.faults else 0
