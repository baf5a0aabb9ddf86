"""The options of `hpckit bench`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from hpckit.cli.emulate_faults import seconds_of
from hpckit.cli.options import measured, whole_number
from hpckit.errors import InputError


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
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise InputError(
            f"--backends is {text!r}, which leaves a name out", hint="For example: workqueue,ray"
        )
    return names


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
Seed = Annotated[Any, _one("--seed", "Of arrays, order and reclaims. [default: 1]", least=0)]
Backends = Annotated[
    Any,
    typer.Option(
        "--backends", metavar="NAME[,NAME…]", parser=_names,
        help="Engines. [default: all that are installed and take workers]",
    ),
]  # fmt: skip


def _seconds(name: str, words: str) -> Any:
    parse = measured(name, lambda text: seconds_of(text, zero=True))
    return typer.Option(name, metavar="TIME", parser=parse, help=words)


Life = Annotated[
    Any,
    _seconds("--life", "A worker is reclaimed after so long on average. [default: 20s]"),
]
Grace = Annotated[
    Any,
    _seconds("--grace", "Emulated: the grace time, from a reclaim's warning on. [default: 0s]"),
]
KillWait = Annotated[
    Any,
    _seconds(
        "--kill-wait",
        "Emulated: from the end of the grace time to the kill (a Slurm that says nothing else: "
        "30s). [default: 0s, so that running tasks are cut]",
    ),
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
