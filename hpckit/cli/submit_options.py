"""The options of `hpckit submit`, each with its help and its parser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hpckit.cli.options import measured, one_of, whole_number
from hpckit.engines.registry import ENGINES
from hpckit.errors import InputError
from hpckit.model.units import parse_memory_mib


def _key_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(
            f"--set {text!r} is no key=value", hint="For example --set task.timeout=10m"
        )
    return key.strip(), value


def _option(*names: str, **how: Any) -> Any:
    return typer.Option(*names, **how)


def _number(name: str, words: str) -> Any:
    return _option(name, parser=whole_number(name, least=1), metavar="N", help=words)


def _words(name: str, metavar: str, words: str) -> Any:
    return _option(name, metavar=metavar, help=words)


Bag = Annotated[
    Path | None,
    typer.Argument(metavar="BAG.toml", help="The bag. Instead of it: -- COMMAND ARG…"),
]
Backend = Annotated[
    str | None,
    _option(
        "--backend",
        parser=one_of("--backend", *ENGINES),
        metavar="|".join(ENGINES),
        help="The engine. [default: the first that is installed]",
    ),
]
Site = Annotated[
    str | None, _words("--site", "NAME", "Where to run. [default: what fits this machine]")
]
Shape = Annotated[
    str | None,
    _option(
        "--shape",
        parser=one_of("--shape", "array", "allocation"),
        metavar="array|allocation",
        help="A head and an array of workers, or one job. [default: the engine's usual one]",
    ),
]
Nodes = Annotated[int | None, _number("--nodes", "How many workers, one on each node.")]
MinWorkers = Annotated[
    int | None, _number("--min-workers", "Keep an array at this many while work is left.")
]
MaxWorkers = Annotated[
    int | None, _number("--max-workers", "Let an array grow to this many. [default: --nodes]")
]
MaxFailures = Annotated[
    str, _words("--max-failures", "N|P%", "End the run early when so many tasks have failed.")
]
Cores = Annotated[int | None, _number("--cores", "Cores of each worker.")]
Memory = Annotated[
    int | None,
    _option(
        "--memory",
        parser=measured("--memory", parse_memory_mib),
        metavar="SIZE",
        help='Memory of each worker: "8 GB".',
    ),
]
Partition = Annotated[str, _words("--partition", "NAME", "Slurm's partition.")]
WorkerPartition = Annotated[
    str,
    _words("--worker-partition", "NAME", "Another for an array's workers: preemptible, say."),
]
Account = Annotated[str, _words("--account", "NAME", "Slurm's account.")]
Qos = Annotated[str, _words("--qos", "NAME", "Slurm's quality of service.")]
Sbatch = Annotated[
    list[str] | None,
    _words("--sbatch", "--KEY=VALUE", "A further option of sbatch. Repeatable."),
]
Sets = Annotated[
    list[Any] | None,
    _option(
        "--set",
        parser=_key_value,
        metavar="KEY=VALUE",
        help="Change the bag: task.timeout=10m. Repeatable.",
    ),
]
Name = Annotated[str, _words("--name", "NAME", "The run's name. [default: BAG-DATE-TIME]")]
EachLine = Annotated[
    str | None, _words("--each-line", "FILE|-", "One task per line: {line}. - is stdin.")
]
Range = Annotated[str | None, _words("--range", "A-B", "One task per number: {index}.")]
DryRun = Annotated[bool, _option("--dry-run", help="Print plan and scripts; touch nothing.")]
Wait = Annotated[bool, _option("--wait", help="Follow it live, and exit with its code.")]
