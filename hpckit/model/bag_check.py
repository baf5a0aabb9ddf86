"""Find the faults of a bag that the types of its values do not show."""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hpckit.model.functions import function_source
from hpckit.model.paths import absolute, whole_paths
from hpckit.model.placeholders import INDEX, NAME, Placeholder, parse, placeholder_error
from hpckit.model.toml_file import Key
from hpckit.model.validate import dotted

if TYPE_CHECKING:
    from hpckit.model.bag import Bag
    from hpckit.model.validate import Fault

#: Programs that start MPI. A task of hpckit is one process tree on one node.
MPI_LAUNCHERS = frozenset(
    ("mpirun", "mpiexec", "mpiexec.hydra", "orterun", "prun", "prterun", "srun", "aprun", "jsrun")
)
_BAG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def faults(bag: Bag) -> Iterator[Fault]:
    """Yield every fault of a bag with its key."""
    if not _BAG_NAME.fullmatch(bag.name):
        yield (
            ("name",),
            f"name is {bag.name!r}, but must be of letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit, and at most 64 long",
        )
    yield from _task_faults(bag)
    yield from _kwargs_faults(bag)
    yield from _atomic_faults(bag)
    yield from _name_faults(bag)
    yield from _placeholder_faults(bag)
    yield from _circle_faults(bag)


def mpi_refusal(word: str) -> str:
    """Return why a command that begins with `word` is refused, ``""`` if it is not."""
    if os.path.basename(word) not in MPI_LAUNCHERS:  # noqa: PTH119
        return ""
    return (
        f"{word!r} starts an MPI program, which hpckit does not run: its tasks are independent "
        "and each fits on one node. Submit MPI programs by sbatch"
    )


def search_path(bag: Bag) -> tuple[str, ...]:
    """Return the directories in which a bag's function is searched first."""
    declared = (absolute(bag.directory, path) for path in bag.environment.python_path)
    return (*declared, bag.directory)


def _task_faults(bag: Bag) -> Iterator[Fault]:
    task = bag.task
    if bool(task.command) == bool(task.function):
        both = "both" if task.command else "neither"
        yield ("task",), f"[task] must have either command or function; it has {both}"
    if task.scratch and task.cwd:
        yield ("task", "cwd"), "task.cwd and task.scratch exclude one another"
    if task.command and not task.command[0]:
        yield ("task", "command", 0), "task.command[0], the program, is empty"
    firsts = (
        (("task", "command", 0), task.command),
        (("environment", "launch", 0), bag.environment.launch),
    )
    for key, argv in firsts:
        if argv and (refusal := mpi_refusal(argv[0])):
            yield key, refusal
    if task.function:
        try:
            function_source(task.function, search_path(bag))
        except (ValueError, OSError) as error:
            yield ("task", "function"), f"task.function: {error}"


def _kwargs_faults(bag: Bag) -> Iterator[Fault]:
    task = bag.task
    if task.kwargs is not None and not task.function:
        yield ("task", "kwargs"), "task.kwargs goes only with task.function"
    for key, value in _leaves(task.kwargs or {}, ("task", "kwargs")):
        if isinstance(value, float) and not math.isfinite(value):
            yield key, f"{dotted(key)} is {value}, which is no number; write it as a string"


def _atomic_faults(bag: Bag) -> Iterator[Fault]:
    """Find outputs of atomic_outputs whose path is not passed to the task.

    Such a task cannot write to a temporary name first.
    """
    task = bag.task
    if not task.atomic_outputs:
        return
    if not task.outputs:
        yield ("task", "atomic_outputs"), "task.atomic_outputs needs task.outputs"
    for number, output in enumerate(task.outputs):
        if not _is_given(output, bag):
            yield (
                ("task", "outputs", number),
                f"{output!r} does not occur in the command as a path of its own, so "
                "task.atomic_outputs cannot let the task write to another name first. Name it in "
                '[let], and use that in both, "{out}" or "--to={out}", with no letter beside it',
            )


def _is_given(output: str, bag: Bag) -> bool:
    """Return True if the runner finds this output's path in the command or kwargs (ADR 0006)."""
    task = bag.task
    kwargs = [text for _, text in _nested(task.kwargs or {}, ())]
    if output in task.command or (output in kwargs and absolute("/", output) == output):
        return True
    try:
        name = parse(output).sole_name
        if not name or name == INDEX:
            return False
        if task.function and task.kwargs is None:
            return True  # it gets every name as an argument
        values = _shown(name, bag.let)
        return any(_SHOWN.search(parse(t).fill(values)) for t in (*task.command, *kwargs))
    except ValueError:
        return True  # another check reports this fault


#: Stands for the path in a text; no text of a bag contains it.
_PATH = "\0"
_SHOWN = whole_paths([_PATH])


def _shown(name: str, let: Mapping[str, str]) -> Mapping[Placeholder, str]:
    """Return values that show where in a text the path `name` stands, and what is beside it.

    The values of other placeholders are unknown here; each is taken for a letter.
    """
    values = defaultdict(lambda: "x", {Placeholder(name): _PATH})
    for other in let_order(let):
        if other != name:
            values[Placeholder(other)] = parse(let[other]).fill(values)
    return values


def _name_faults(bag: Bag) -> Iterator[Fault]:
    for table, names in (("each", bag.each), ("let", bag.let)):
        for name in names:
            if not NAME.fullmatch(name):
                yield (
                    (table, name),
                    f"{table}.{name!r}: a name begins with a letter or '_' and goes on with "
                    "letters, digits and '_'",
                )
            elif table == "let" and name == INDEX:
                yield (table, name), f"let.{name}: {{index}} is each task's number already"
            elif table == "let" and name in bag.each:
                yield (table, name), f"let.{name}: [each] has that name already"


def _placeholder_faults(bag: Bag) -> Iterator[Fault]:
    known = list(dict.fromkeys([*bag.each, *bag.let, INDEX]))
    for key, text in texts(bag):
        try:
            placeholders = parse(text).placeholders
        except ValueError as error:
            yield key, f"{text!r} {error}"
            continue
        for placeholder in placeholders:
            if message := placeholder_error(placeholder, known):
                yield key, message


def texts(bag: Bag) -> Iterator[tuple[Key, str]]:
    """Yield every text of a bag that may contain placeholders, with its key."""
    for field in ("command", "inputs", "outputs"):
        for number, text in enumerate(getattr(bag.task, field)):
            yield ("task", field, number), text
    for name, text in bag.let.items():
        yield ("let", name), text
    yield from _nested(bag.task.kwargs or {}, ("task", "kwargs"))


def _nested(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    return ((at, leaf) for at, leaf in _leaves(value, key) if isinstance(leaf, str))


def _leaves(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """Yield the values inside tables and lists at any depth, with their keys."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, (*key, name))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _leaves(item, (*key, number))
    else:
        yield key, value


def _circle_faults(bag: Bag) -> Iterator[Fault]:
    try:
        let_order(bag.let)
    except ValueError as error:
        name, message = error.args
        yield ("let", name), message


def let_order(let: Mapping[str, str]) -> list[str]:
    """Return the names in an order in which each comes after those that it uses.

    Raises:
        ValueError: names use one another in a circle; its args are a name and a message.
    """
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            chain = " → ".join((*above[above.index(name) :], name))
            raise ValueError(name, f"let.{name} is defined by itself: {chain}")
        if name in order:
            return
        try:
            used = [placeholder.name for placeholder in parse(let[name]).placeholders]
        except ValueError:
            used = []  # another check reports this fault
        for other in used:
            if other in let:
                visit(other, (*above, name))
        order.append(name)

    for name in let:
        visit(name, ())
    return order
