"""A bag of tasks as the user writes it: command, sweep, resources, retries.

The models mirror the file. A key with a unit in its name here (`timeout_s`, `memory_mib`) has
the plain name in the file (``timeout``, ``memory``). `docs/reference/bags.md` is the
reference for people. `hpckit.model.expand` turns a bag into tasks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from hpckit.errors import InputError
from hpckit.model.bag_check import faults
from hpckit.model.fields import (  # fmt: skip
    DURATION,
    MEMORY,
    NATURAL,
    POSITIVE,
    STRINGS,
    SWITCH,
    TABLE,
    Count,
    CountOrNone,
    Frozen,
    Mebibytes,
    Seconds,
    Strings,
    Text,
)
from hpckit.model.placeholders import INDEX
from hpckit.model.retries import Retries
from hpckit.model.sweep import Axis, Values, read_axis
from hpckit.model.toml_file import Document, plain, read_document
from hpckit.model.validate import error_of, validated


class Resources(Frozen):
    """The resources that one task needs."""

    cores: Count = Field(default=1, description=POSITIVE)
    memory_mib: Mebibytes = Field(default=0, alias="memory", description=MEMORY)  # 0: not declared
    gpus: CountOrNone = Field(default=0, description=NATURAL)


class TaskSpec(Frozen):
    """The template of every task: a command, or a Python function."""

    command: tuple[Text, ...] = Field(
        default=(), description='a list of strings, the program first: ["gzip", "-9", "{file}"]'
    )
    function: str = Field(default="", description='a function as "module:name"')
    kwargs: Annotated[dict[str, Any] | None, BeforeValidator(plain)] = Field(
        default=None, description="a table of the function's keyword arguments"
    )
    inputs: Strings = Field(default=(), description=f"{STRINGS}, the paths that each task reads")
    outputs: Strings = Field(
        default=(), description=f"{STRINGS}, the paths that each task must write"
    )
    atomic_outputs: bool = Field(
        default=False, strict=True, description=f"{SWITCH}: outputs appear whole or not at all"
    )
    timeout_s: Seconds = Field(default=0, alias="timeout", description=DURATION)  # 0: none
    cwd: str = Field(default="", description="a directory")
    scratch: bool = Field(
        default=False,
        strict=True,
        description=f"{SWITCH}: an empty directory for each task",
    )
    resources: Resources = Field(default=Resources(), description=f"{TABLE}: cores, memory, gpus")


class MemoryRetries(Frozen):
    """The retries of a task that ran out of memory."""

    times: CountOrNone = Field(default=1, description=NATURAL)
    grow: float = Field(
        default=1.0, strict=True, ge=1.0, le=64.0,
        description="a number of at least 1.0: each retry asks for this many times more",
    )  # fmt: skip


def _memory_retries(value: Any) -> Any:
    """Read a plain number as the number of retries."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return {"times": value} if whole else value


class RetryBudget(Frozen):
    """The number of retries for each kind of failure."""

    error: CountOrNone = Field(default=0, description=NATURAL)
    signal: CountOrNone = Field(default=0, description=NATURAL)
    timeout: CountOrNone = Field(default=0, description=NATURAL)
    memory: Annotated[MemoryRetries, BeforeValidator(_memory_retries)] = Field(
        default=MemoryRetries(times=0), description="a whole number, or { times = 2, grow = 2.0 }"
    )
    missing_output: CountOrNone = Field(default=0, description=NATURAL)
    poison_after: Count = Field(default=3, description=POSITIVE)


class Environment(Frozen):
    """The environment that is set up for the tasks."""

    modules: Strings = Field(default=(), description=f"{STRINGS}, modules to load")
    setup: Strings = Field(default=(), description=f"{STRINGS}, shell lines of each job")
    launch: Strings = Field(default=(), description=f"{STRINGS}, put before each task's command")
    path: Strings = Field(default=(), description=f"{STRINGS}, directories put before PATH")
    python_path: Strings = Field(default=(), description=f"{STRINGS}, where to find the function")
    env: dict[str, Text] = Field(default={}, description="a table of environment variables")


class WorkersRequest(Frozen):
    """The workers that the bag asks for; site and flags may override them."""

    count: Count | None = Field(default=None, description=POSITIVE)
    cores: Count | None = Field(default=None, description=POSITIVE)
    memory_mib: Mebibytes | None = Field(default=None, alias="memory", description=MEMORY)
    walltime_s: Seconds | None = Field(default=None, alias="walltime", description=DURATION)


class Bag(Frozen):
    """A bag of independent tasks.

    `directory` is the base of its relative paths. `submitted_from` is the working directory of
    its tasks, unless ``task.cwd`` names another. Both are absolute.
    """

    name: str = Field(default="", description="a string; without it, the file's name")
    task: TaskSpec = Field(description="a table with `command` or `function`")
    each: dict[str, Annotated[Axis, BeforeValidator(read_axis)]] = Field(
        default={}, description="a table of what to run over"
    )
    let: dict[str, Text] = Field(default={}, description="a table of strings")
    retry_budget: RetryBudget = Field(
        default=RetryBudget(), alias="retries", description="a table of numbers"
    )
    environment: Environment = Field(default=Environment(), description=TABLE)
    workers: WorkersRequest = Field(default=WorkersRequest(), description=TABLE)
    directory: str = ""
    submitted_from: str = ""

    @property
    def retries(self) -> Retries:
        """The retries in the form of the plan."""
        budget = self.retry_budget
        return Retries(
            error=budget.error,
            signal=budget.signal,
            timeout=budget.timeout,
            memory=budget.memory.times,
            memory_grow=budget.memory.grow,
            missing_output=budget.missing_output,
            poison_after=budget.poison_after,
        )

    def to_json(self) -> str:
        """Return the resolved bag, for people who look into the run directory."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True, indent=1)


def load_bag(path: Path, sets: Mapping[str, str] = {}, *, cwd: Path | None = None) -> Bag:
    """Read a bag file; `sets` overwrites keys by dotted name (``--set task.timeout=5m``).

    `cwd` is the directory that the run is submitted from, by default that of this process.

    Raises:
        InputError: there is no such file, or it has a fault; the message names file and line.
    """
    document = read_document(path, "bag")
    for key, text in sets.items():
        document.set(key, text)
    return _bag(document, path.absolute().parent, cwd or Path.cwd(), path.stem)


def bag_from_command(
    argv: Sequence[str],
    *,
    lines: Sequence[str] | None = None,
    range_: str | None = None,
    name: str | None = None,
    cwd: Path,
    sets: Mapping[str, str] = {},
) -> Bag:
    """Return the bag of ``hpckit submit [--each-line FILE|-] [--range A-B] -- COMMAND ARG…``.

    Each of `lines` is the ``{line}`` of one task, each number of `range_` the ``{index}`` of one
    task; both together make the product. Without a range ``{index}`` counts the tasks from 0.
    Without both there is one task.

    Raises:
        InputError: there is no command, or it has an unknown placeholder.
    """
    if not argv:
        raise InputError("there is no command", hint="Write it after --: -- gzip -9 {line}")
    program = os.path.basename(argv[0]) or "command"  # noqa: PTH119
    data: dict[str, Any] = {"task": {"command": list(argv)}, "each": {}}
    if lines is not None:
        if not lines:
            raise InputError("there are no lines, so there is nothing to run over")
        data["each"]["line"] = Values(items=tuple(lines))
    if range_ is not None:
        data["each"][INDEX] = {"range": range_}
    if name is not None:
        data["name"] = name
    document = Document("the command line", data)
    for key, text in sets.items():
        document.set(key, text)
    return _bag(document, cwd, cwd, program)


def _bag(document: Document, directory: Path, cwd: Path, name: str) -> Bag:
    for key in ("directory", "submitted_from"):  # hpckit sets these, the file may not
        if key in document.data:
            raise error_of([((key,), f"unknown key {key!r} in the top level")], document)
    document.data.setdefault("name", _name_of(name))
    document.data["directory"] = os.path.abspath(directory)  # noqa: PTH100
    document.data["submitted_from"] = os.path.abspath(cwd)  # noqa: PTH100
    bag = validated(Bag, document)
    found = list(faults(bag))
    if found:
        raise error_of(found, document)
    return bag


def _name_of(text: str) -> str:
    """Return a valid name of a bag, made from the name of a file or program."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64] or "bag"
