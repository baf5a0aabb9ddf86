"""`hpckit bench`: the engines measured on the same bag."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hpckit.cli import say
from hpckit.cli.faults import seconds_of
from hpckit.cli.options import Json, measured, whole_number
from hpckit.errors import InputError

app = typer.Typer(
    help="Measure the engines on the same bag.\n\nExample: hpckit bench baseline",
    no_args_is_help=True,
)


def _numbers(name: str) -> Callable[[str], tuple[int, ...]]:
    """Return a parser of whole numbers with commas between them."""
    parse = whole_number(name, least=1)
    return lambda text: tuple(parse(part.strip()) for part in text.split(","))


def _real_number(name: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise InputError(f"{name} is {text!r}, but must be a number") from None

    return parse


def _several(name: str, words: str) -> Any:
    return typer.Option(name, metavar="N[,N…]", parser=_numbers(name), help=words)


def _one(name: str, words: str, *, least: int) -> Any:
    return typer.Option(name, metavar="N", parser=whole_number(name, least=least), help=words)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where the results go, and come from.")
]
Tasks = Annotated[Any, _several("--tasks", "How many tasks: one number, or one for each size.")]
Sizes = Annotated[
    Any, _several("--size", "Values along each axis of the array that a task compresses.")
]
Tolerance = Annotated[
    Any,
    typer.Option(
        "--tolerance", metavar="E", parser=_real_number("--tolerance"),
        help="Greatest error of the compression. [default: 0.001]",
    ),
]  # fmt: skip
Workers = Annotated[Any, _several("--workers", "Numbers of workers.")]
Cpus = Annotated[Any, _one("--cpus", "Cores of each worker; a task takes one.", least=1)]
Port = Annotated[
    Any, _one("--port", "The first of 100 ports for the engines; 0: any. [default: 0]", least=0)
]
Repeats = Annotated[Any, _one("--repeats", "How often each case is run.", least=1)]
Seed = Annotated[
    Any, _one("--seed", "Of arrays, order, reclaims, intervals. [default: 1; spot: 3]", least=0)
]
Backends = Annotated[
    Any,
    typer.Option(
        "--backends", metavar="NAME[,NAME…]", parser=_names,
        help="Engines. [default: all that are installed and take workers]",
    ),
]  # fmt: skip

Seeds = Annotated[Any, _one("--seeds", "The same as --repeats: each has the next seed.", least=1)]


def _seconds(name: str, words: str) -> Any:
    parse = measured(name, lambda text: seconds_of(text, zero=True))
    return typer.Option(name, metavar="TIME", parser=parse, help=words)


Life = Annotated[
    Any,
    _seconds("--life", "A worker is reclaimed after so long on average. [default: 40s]"),
]
Grace = Annotated[
    Any,
    _seconds("--grace", "Emulated: from a reclaim's warning to the end of the job. [default: 0s]"),
]
SpotPartition = Annotated[
    str, typer.Option("--spot-partition", metavar="NAME", help="The workers' partition.")
]
PreemptPartition = Annotated[
    str,
    typer.Option(
        "--preempt-partition", metavar="NAME", help="Real Slurm: one that goes before it."
    ),
]


@app.command("baseline")
def baseline(  # noqa: PLR0913, PLR0917 - one parameter for each option
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
    """Measure on this machine, with hpckit and without.

    Each engine also as a plain user would take it, one task per call; so GNU parallel and
    HyperQueue, where installed.

    Example: hpckit bench baseline --repeats 5
    """
    asked = {
        "tasks": tasks, "sizes": size, "tolerance": tolerance, "workers": workers, "cpus": cpus,
        "port": port, "repeats": repeats, "seed": seed, "backends": backends,
    }  # fmt: skip
    return _run("baseline", asked, out, as_json=as_json)


@app.command("slurm")
def slurm(  # noqa: PLR0913, PLR0917 - one parameter for each option
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
    """Measure scaling by workers, on Slurm.

    On the real Slurm where one answers, else on an emulated one of four nodes; it says which.

    Example: hpckit bench slurm --workers 1,2,4,8
    """
    asked = {
        "tasks": tasks, "sizes": size, "tolerance": tolerance, "workers": workers, "cpus": cpus,
        "port": port, "repeats": repeats, "seed": seed, "backends": backends,
    }  # fmt: skip
    return _run("slurm", asked, out, as_json=as_json)


@app.command("spot")
def spot(  # noqa: PLR0913, PLR0917 - one parameter for each option
    tasks: Tasks = None,
    size: Sizes = None,
    tolerance: Tolerance = None,
    workers: Workers = None,
    cpus: Cpus = None,
    port: Port = None,
    repeats: Repeats = None,
    seeds: Seeds = None,
    seed: Seed = None,
    backends: Backends = None,
    life: Life = None,
    grace: Grace = None,
    spot_partition: SpotPartition = "",
    preempt_partition: PreemptPartition = "",
    out: Out = Path("results"),
    as_json: Json = False,
) -> int:  # fmt: skip
    """Measure what capacity costs that is taken back.

    Each bag runs undisturbed, and while its workers are reclaimed at random: by the emulator, or
    on a real Slurm by short jobs of a partition that goes before the workers'.

    Example: hpckit bench spot --seeds 10
    """
    if repeats is not None and seeds is not None:
        raise InputError("--repeats and --seeds are the same here", hint="Give one of them.")
    asked = {
        "tasks": tasks, "sizes": size, "tolerance": tolerance, "workers": workers, "cpus": cpus,
        "port": port, "repeats": seeds if repeats is None else repeats, "seed": seed,
        "backends": backends, "life_s": life, "grace_s": grace,
    }  # fmt: skip
    partitions = {"spot_partition": spot_partition, "preempt_partition": preempt_partition}
    return _run("spot", asked, out, as_json=as_json, **partitions)


def _run(
    scenario: str, asked: dict[str, Any], out: Path, *, as_json: bool, **partitions: str
) -> int:
    """Measure, write what was measured, and show it; 1 if a check fails."""
    from hpckit.bench import cases, machine, parameters, store, text
    from hpckit.bench import scenario as scenarios
    from hpckit.cli.interrupt import when_interrupted
    from hpckit.engines.choose import installed

    backends = parameters.choose_backends(asked["backends"] or (), installed())
    found = parameters.make_parameters(
        scenario, {**asked, "backends": backends}, cpus=machine.cpu_count()
    )
    store.ready(out)
    with when_interrupted(lambda: "interrupted; nothing is written, and nothing left running"):
        document = scenarios.measure(cases.Asked(parameters=found, say=say.note, **partitions))
        paths = store.write(document, out)
    if as_json:
        say.document(document)
    else:
        say.raw(text.render(document))
    for path in paths:
        say.note(f"wrote {path}")
    return _verdict(document["checks"])


def _verdict(checks: Sequence[Mapping[str, Any]]) -> int:
    """Return the exit code, and say why it is not 0."""
    failed = [check["name"] for check in checks if not check["pass"]]
    if not failed:
        return 0
    say.note(f"hpckit: {len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}")
    if any(name.startswith("workers reclaimed") for name in failed):
        say.note("  Nothing was taken away in time: give more --tasks, or a shorter --life.")
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
    from hpckit.bench.summary import main

    if check_docs and (write_docs or as_json):
        other = "--write-docs" if write_docs else "--json"
        raise InputError(
            f"--check and {other} do not go together",
            hint="--check only compares, and prints a line for each difference; leave one out.",
        )
    return main(out, as_json, write_docs=write_docs, check_docs=check_docs)
