"""`hpckit emulate kill-node` and the others: what goes wrong on a cluster, on demand."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer

from hpckit.cli import console
from hpckit.cli.options import Json, measured, whole_number
from hpckit.errors import InputError
from hpckit.model.units import human_duration, parse_duration_s

Cluster = Annotated[
    str, typer.Option("--cluster", metavar="NAME", help="Which one; each is apart.")
]
Nodes = Annotated[
    list[str], typer.Argument(metavar="NODE…", help="local-n2, local-n[1-3], or 2 for the second.")
]
_PER_HOUR = {"s": 3600.0, "sec": 3600.0, "m": 60.0, "min": 60.0, "h": 1.0, "hour": 1.0,
             "d": 1 / 24, "day": 1 / 24}  # fmt: skip


def seconds_of(text: str, *, zero: bool = False) -> float:
    """Return seconds, also parts of one: a fault may be shorter than anything else here."""
    bare = re.fullmatch(r"(\d+(?:\.\d+)?)\s*s?", text.strip())
    seconds = float(bare[1]) if bare else None
    if seconds is None or not (seconds > 0 or zero):
        return float(parse_duration_s(text))
    return seconds


def _rate(text: str) -> float:
    """Return how many an hour ``6/h``, ``1/m`` or ``0.1/s`` are."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*([a-z]+)\s*)?", text.lower())
    count = float(match[1]) if match else 0.0
    unit = (match[2] if match else None) or ("h" if match and not count else "")
    if match is None or unit not in _PER_HOUR:
        raise InputError(
            f"cannot read {text!r} as a rate", hint='Write it as "6/h", "1/m" or "0.1/s".'
        )
    return count * _PER_HOUR[unit]


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"FACTOR is {text!r}, but must be a number above 0",
            hint="60 lets a minute pass in a second; 1 is the machine's own time.",
        )
    return value


def _parsed(name: str, parse: Callable[[str], Any], **more: Any) -> Any:
    return typer.Option(name, parser=measured(name, parse), show_default=False, **more)


def _tell(cluster: str, fault: str, as_json: bool, words: str, **facts: object) -> None:
    if as_json:
        console.document({"schema": "hpckit.fault/1", "cluster": cluster, "fault": fault, **facts})
    else:
        console.note(f"cluster {cluster!r}: {words}")


def kill_node(nodes: Nodes, cluster: Cluster = "local", as_json: Json = False) -> None:
    """Take nodes' power away: what runs there ends at once.

    The controller notices a little later, marks them down and requeues their jobs.
    `hpckit emulate resume` brings them back.

    Example: hpckit emulate kill-node local-n2
    """
    from hpckit.emulator import control

    names = control.named_nodes(nodes, name=cluster)
    for name in names:
        control.kill_node(name, name=cluster)
    _tell(cluster, "kill-node", as_json, f"{', '.join(names)} lost power", nodes=names)


def drain(
    nodes: Nodes,
    reason: Annotated[str, typer.Option("--reason", help="What sinfo -R shows.")] = (
        "drained by hand"
    ),
    cluster: Cluster = "local",
    as_json: Json = False,
) -> None:
    """Let nodes finish their jobs and take no more.

    Example: hpckit emulate drain local-n2 --reason "bad memory"
    """
    from hpckit.emulator import control

    if not reason.strip():
        raise InputError("--reason is empty", hint="Slurm drains no node without a reason.")
    names = control.named_nodes(nodes, name=cluster)
    for name in names:
        control.drain(name, name=cluster, reason=reason)
    words = f"{', '.join(names)} will take no more jobs"
    _tell(cluster, "drain", as_json, words, nodes=names, reason=reason)


def resume(nodes: Nodes, cluster: Cluster = "local", as_json: Json = False) -> None:
    """Bring drained or dead nodes back.

    Example: hpckit emulate resume local-n2
    """
    from hpckit.emulator import control

    names = control.named_nodes(nodes, name=cluster)
    for name in names:
        control.resume(name, name=cluster)
    verb = "takes" if len(names) == 1 else "take"
    _tell(cluster, "resume", as_json, f"{', '.join(names)} {verb} jobs again", nodes=names)


def controller_down(
    seconds: Annotated[
        float,
        typer.Argument(
            metavar="SECONDS", parser=measured("SECONDS", seconds_of), help="60, 90s or 5m."
        ),
    ],
    cluster: Cluster = "local",
    as_json: Json = False,
) -> None:
    """Let Slurm's commands get no answer for a time.

    Jobs go on.

    Example: hpckit emulate controller-down 60
    """
    from hpckit.emulator import control

    control.controller_down(seconds, name=cluster)
    words = f"the controller is away for {human_duration(seconds)}"
    _tell(cluster, "controller-down", as_json, words, seconds=seconds)


def slow_controller(
    seconds: Annotated[
        float,
        typer.Argument(
            metavar="SECONDS",
            parser=measured("SECONDS", lambda text: seconds_of(text, zero=True)),
            help="How late it answers: 5, 0.5, 1m; 0 ends it.",
        ),
    ],
    for_s: Annotated[
        float | None, _parsed("--for", seconds_of, metavar="TIME", help="For how long: 10m.")
    ] = None,
    cluster: Cluster = "local",
    as_json: Json = False,
) -> None:
    """Answer each of Slurm's commands so many seconds late.

    Example: hpckit emulate slow-controller 5 --for 10m
    """
    from hpckit.emulator import control

    control.slow_controller(seconds, for_s=for_s, name=cluster)
    words = f"the controller answers {human_duration(seconds)} late"
    words += f", for {human_duration(for_s)}" if for_s else ""
    words = words if seconds else "the controller answers at once"
    _tell(cluster, "slow-controller", as_json, words, seconds=seconds, for_s=for_s)


def _warned(grace_s: float) -> str:
    return f"{human_duration(grace_s)} after a warning" if grace_s else "without a warning"


def reclaim(  # noqa: PLR0913, PLR0917 - its options
    rate: Annotated[
        float | None, _parsed("--rate", _rate, metavar="RATE", help="6/h, 1/m, 0.1/s; 0 ends it.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Reclaim no more.")] = False,
    grace: Annotated[
        float,
        _parsed(
            "--grace",
            lambda text: seconds_of(text, zero=True),
            metavar="TIME",
            help="From the warning to the end. [default: 30s]",
        ),
    ] = "30s",  # type: ignore[assignment] # typer parses defaults too
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            parser=whole_number("--seed", least=0),
            help="Of the chance that chooses. [default: 1]",
            show_default=False,
        ),
    ] = "1",  # type: ignore[assignment]
    partition: Annotated[
        str,
        typer.Option("--partition", metavar="NAME", help="Only jobs of this one; else heads too."),
    ] = "",
    cluster: Cluster = "local",
    as_json: Json = False,
) -> None:
    """Take nodes back from running jobs at random.

    As spot capacity is taken: a job's steps hear TERM, it has the grace time, and is requeued.
    A new rate replaces the last.

    Example: hpckit emulate reclaim --rate 6/h --grace 30s --seed 1
    """
    from hpckit.emulator import control

    if (rate is None) != off:
        raise InputError(
            "reclaim needs either --rate or --off", hint="hpckit emulate reclaim --rate 6/h"
        )
    per_hour = rate or 0.0
    control.reclaim(per_hour=per_hour, grace_s=grace, seed=seed, partition=partition, name=cluster)
    words = f"{per_hour:g} jobs an hour are reclaimed, {_warned(grace)}"
    words = words if per_hour else "no more jobs are reclaimed"
    _tell(cluster, "reclaim", as_json, words, per_hour=per_hour, grace_s=grace, seed=seed,
          partition=partition)  # fmt: skip


def time_scale(
    factor: Annotated[
        float,
        typer.Argument(metavar="FACTOR", parser=_factor, help="How many times as fast; 1: as is."),
    ],
    cluster: Cluster = "local",
    as_json: Json = False,
) -> None:
    """Let the cluster's clock run faster.

    Waits and limits pass sooner; jobs themselves run as fast as ever.

    Example: hpckit emulate time-scale 60
    """
    from hpckit.emulator import control

    control.time_scale(factor, name=cluster)
    words = "its clock runs as fast as the machine's"
    words = words if factor == 1 else f"its clock runs {factor:g} times as fast"
    _tell(cluster, "time-scale", as_json, words, factor=factor)


COMMANDS: dict[str, Callable[..., None]] = {
    "kill-node": kill_node, "drain": drain, "resume": resume,
    "controller-down": controller_down, "slow-controller": slow_controller,
    "reclaim": reclaim, "time-scale": time_scale,
}  # fmt: skip
