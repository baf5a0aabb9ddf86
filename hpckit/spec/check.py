"""What is wrong with a bag beyond the types of its values, found before anything is made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hpckit.spec.functions import function_source
from hpckit.spec.paths import absolute
from hpckit.spec.placeholders import INDEX, NAME, complaint, parse
from hpckit.spec.toml_file import Key

if TYPE_CHECKING:
    from hpckit.spec.bag import Bag
    from hpckit.spec.validate import Fault

#: Programs that start MPI; a task of ours is one process tree on one node.
MPI_LAUNCHERS = frozenset(
    ("mpirun", "mpiexec", "mpiexec.hydra", "orterun", "prun", "prterun", "srun", "aprun", "jsrun")
)
_BAG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def faults(bag: Bag) -> Iterator[Fault]:
    """Yield every fault of a bag, by its key."""
    if not _BAG_NAME.fullmatch(bag.name):
        yield (
            ("name",),
            f"name is {bag.name!r}, but must be of letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit, and at most 64 long",
        )
    yield from _task_faults(bag)
    yield from _atomic_faults(bag)
    yield from _name_faults(bag)
    yield from _placeholder_faults(bag)
    yield from _circle_faults(bag)


def mpi_refusal(word: str) -> str:
    """Return why a command that begins with `word` is refused, ``""`` where it is not."""
    if os.path.basename(word) not in MPI_LAUNCHERS:  # noqa: PTH119
        return ""
    return (
        f"{word!r} starts an MPI program, which hpckit does not run: its tasks are independent "
        "and each fits on one node. Submit MPI programs by sbatch"
    )


def search_path(bag: Bag) -> tuple[str, ...]:
    """Return the directories in which a bag's function is looked for first."""
    declared = (absolute(bag.directory, path) for path in bag.environment.python_path)
    return (*declared, bag.directory)


def _task_faults(bag: Bag) -> Iterator[Fault]:
    task = bag.task
    if bool(task.command) == bool(task.function):
        both = "both" if task.command else "neither"
        yield ("task",), f"[task] must have either command or function; it has {both}"
    if task.kwargs is not None and not task.function:
        yield ("task", "kwargs"), "task.kwargs goes only with task.function"
    if task.scratch and task.cwd:
        yield ("task", "cwd"), "task.cwd and task.scratch exclude one another"
    if task.command and not task.command[0]:
        yield ("task", "command", 0), "task.command[0], the program, is empty"
    firsts = (
        (("task", "command", 0), task.command),
        (("environment", "launch", 0), bag.environment.launch),
    )
    for key, words in firsts:
        refusal = mpi_refusal(words[0]) if words else ""
        if refusal:
            yield key, refusal
    if task.function:
        try:
            function_source(task.function, search_path(bag))
        except (ValueError, OSError) as error:
            yield ("task", "function"), f"task.function: {error}"


def _atomic_faults(bag: Bag) -> Iterator[Fault]:
    """An output whose name the task is not given cannot be written under another name."""
    task = bag.task
    if not task.atomic_outputs:
        return
    if not task.outputs:
        yield ("task", "atomic_outputs"), "task.atomic_outputs needs task.outputs"
    given = [
        text for key, text in texts(bag) if key[:2] in (("task", "command"), ("task", "kwargs"))
    ]
    names = [*bag.each, *bag.let] if task.function and task.kwargs is None else []
    given += [f"{{{name}}}" for name in names]
    for number, output in enumerate(task.outputs):
        if not _is_given(output, given, bag.let):
            yield (
                ("task", "outputs", number),
                f"{output!r} does not occur in the command, so task.atomic_outputs cannot let the "
                "task write to another name first. Name it [let] and use that placeholder in both",
            )


def _is_given(output: str, given: list[str], let: Mapping[str, str]) -> bool:
    """Whether a word that the task is given holds this output's path."""
    if output in given:
        return True
    try:
        alone = parse(output).alone
    except ValueError:
        return True  # told as a fault of its own
    if not alone:
        return False
    names = {alone}
    while more := {n for n, t in let.items() if any(f"{{{m}}}" in t for m in names)} - names:
        names |= more
    return any(f"{{{name}}}" in text for name in names for text in given)


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
            holes = parse(text).holes
        except ValueError as error:
            yield key, f"{text!r} {error}"
            continue
        for hole in holes:
            words = complaint(hole, known)
            if words:
                yield key, words


def texts(bag: Bag) -> Iterator[tuple[Key, str]]:
    """Yield every text of a bag that may hold placeholders, by its key."""
    for field in ("command", "inputs", "outputs"):
        for number, text in enumerate(getattr(bag.task, field)):
            yield ("task", field, number), text
    for name, text in bag.let.items():
        yield ("let", name), text
    yield from _nested(bag.task.kwargs or {}, ("task", "kwargs"))


def _nested(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _nested(item, (*key, name))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _nested(item, (*key, number))


def _circle_faults(bag: Bag) -> Iterator[Fault]:
    try:
        let_order(bag.let)
    except ValueError as error:
        name, words = error.args
        yield ("let", name), words


def let_order(let: Mapping[str, str]) -> list[str]:
    """Return the names so that each comes after those that it uses.

    Raises:
        ValueError: some use one another in a circle; its args are a name and the words.
    """
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            chain = " → ".join((*above[above.index(name) :], name))
            raise ValueError(name, f"let.{name} is defined by itself: {chain}")
        if name in order:
            return
        try:
            used = [hole.name for hole in parse(let[name]).holes]
        except ValueError:
            used = []  # told as a fault of its own
        for other in used:
            if other in let:
                visit(other, (*above, name))
        order.append(name)

    for name in let:
        visit(name, ())
    return order
