"""The options of `hpckit submit`, each with its words and its parser."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hpckit.errors import InputError
from hpckit.spec.units import parse_duration_s, parse_memory_mib


class BackendName(StrEnum):
    """The engines."""

    workqueue = "workqueue"
    ray = "ray"
    pool = "pool"


class ShapeName(StrEnum):
    """The shapes."""

    array = "array"
    allocation = "allocation"


def _key_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(
            f"--set {text!r} is no key=value", hint="For example --set task.timeout=10m"
        )
    return key.strip(), value


def _option(*names: str, **how: Any) -> Any:
    return typer.Option(*names, **how)


Bag = Annotated[
    Path | None, typer.Argument(metavar="[BAG.toml]", help="The bag; or -- COMMAND ARG….")
]
Backend = Annotated[
    BackendName | None, _option(help="The engine. [default: the first that is installed]")
]
Site = Annotated[str | None, _option(help="Where to run. [default: what fits this machine]")]
Shape = Annotated[
    ShapeName | None,
    _option(help="Head and array of workers, or one job. [default: the engine's usual one]"),
]
Nodes = Annotated[int | None, _option(help="How many workers, one on each node.", min=1)]
Cores = Annotated[int | None, _option(help="Cores of each worker.", min=1)]
Memory = Annotated[
    int | None, _option(parser=parse_memory_mib, metavar="SIZE", help='Of each: "8 GB".')
]
Walltime = Annotated[
    int | None, _option(parser=parse_duration_s, metavar="TIME", help='Of the jobs: "2h".')
]
Partition = Annotated[str, _option(help="Partition.")]
Account = Annotated[str, _option(help="Account.")]
Qos = Annotated[str, _option(help="Quality of service.")]
Sbatch = Annotated[
    list[str] | None, _option(metavar="--KEY=VALUE", help="A further directive. Repeatable.")
]
Sets = Annotated[
    list[Any] | None,
    _option("--set", parser=_key_value, metavar="KEY=VALUE", help="Change the bag. Repeatable."),
]
Name = Annotated[str, _option(help="The run's name. [default: BAG-DATE-TIME]")]
EachLine = Annotated[
    str | None, _option(metavar="FILE|-", help="One task per line: {line}. - is stdin.")
]
Range = Annotated[
    str | None, _option("--range", metavar="A-B", help="One task per number: {index}.")
]
DryRun = Annotated[bool, _option("--dry-run", help="Print plan and scripts; touch nothing.")]
Wait = Annotated[bool, _option("--wait", help="Follow it live, and exit with its code.")]
