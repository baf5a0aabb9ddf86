"""Arguments and options that several commands share, and parsers that say what is needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from hpckit.errors import InputError, did_you_mean
from hpckit.model.units import parse_duration_s

Number = TypeVar("Number", int, float)


def whole_number(name: str, *, least: int) -> Callable[[str], int]:
    """Return a parser of whole numbers for the option `name`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise InputError(f"{name} is {text!r}, but must be a whole number of at least {least}")
        return value

    return parse


def one_of(name: str, *known: str) -> Callable[[str], str]:
    """Return a parser for the option `name`, which has some values."""

    def parse(text: str) -> str:
        if text not in known:
            raise InputError(
                f"{name} is {text!r}, but must be one of: {', '.join(known)}."
                + did_you_mean(text, known)
            )
        return text

    return parse


def measured(name: str, parse: Callable[[str], Number]) -> Callable[[str], Number]:
    """Return `parse`, whose errors then name the option."""

    def named(text: str) -> Number:
        try:
            return parse(text)
        except InputError as error:
            raise InputError(f"{name}: {error.message}", hint=error.hint) from error

    return named


def with_unit(parse: Callable[[str], Number]) -> Callable[[str], Number]:
    """Return `parse` for times that Slurm counts in minutes and bags in seconds.

    The parser raises InputError for a bare number, which would be either.
    """

    def sure(text: str) -> Number:
        if re.fullmatch(r"[\d.]+", text.strip()):
            raise InputError(
                f"{text!r} has no unit; sbatch would take minutes, a bag seconds",
                hint=f'Write "{text.strip()}m" or "{text.strip()}s".',
            )
        return parse(text)

    return sure


Run = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="The run's name; without it, the newest.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
TaskIndex = Annotated[
    int | None,
    typer.Option(
        "--task",
        metavar="I",
        parser=whole_number("--task", least=0),
        help="One task, by its index.",
    ),
]
Walltime = Annotated[
    int | None,
    typer.Option(
        "--walltime",
        metavar="TIME",
        parser=measured("--walltime", with_unit(parse_duration_s)),
        help='Longest time of the jobs: "2h".',
    ),
]
All = Annotated[bool, typer.Option("--all", help="Every one, on a line of its own.")]
