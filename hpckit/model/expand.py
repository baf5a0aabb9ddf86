"""Expand a bag into its tasks, one at a time, so that a million tasks need little memory."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

from hpckit.errors import InputError
from hpckit.model.bag_check import faults, mpi_refusal, search_path
from hpckit.model.functions import function_source
from hpckit.model.paths import absolute, program
from hpckit.model.sweep import Element, Elements
from hpckit.model.task import Task, TaskSettings
from hpckit.model.task_template import TaskTemplate
from hpckit.model.toml_file import Document
from hpckit.model.validate import error_of

if TYPE_CHECKING:
    from hpckit.model.bag import Bag

_encode = json.JSONEncoder(sort_keys=True).encode


def count(bag: Bag) -> int:
    """Return the number of tasks. It matches globs and reads files of lines.

    Raises:
        InputError: a glob matches nothing, or a file of lines cannot be read or is empty.
    """
    return prod(elements.count() for elements in _elements(bag))


def expand(bag: Bag) -> Iterator[Task]:
    """Yield the tasks in the order of their indices; the last entry of ``[each]`` varies fastest.

    Memory grows only by one hash per output (and per task, if elements may repeat).

    Raises:
        InputError: the bag has a fault; two tasks would write the same output (raised at the
            second one); a glob matches nothing; a file of lines cannot be read.
    """
    found = list(faults(bag))
    if found:
        raise error_of(found, Document(f"bag {bag.name!r}"))
    return _tasks(bag, TaskTemplate(bag), _elements(bag))


def task_settings(bag: Bag, run: str) -> TaskSettings:
    """Return the settings that all tasks of a bag share; `run` is the run's name."""
    task, environment = bag.task, bag.environment
    launch = environment.launch
    if launch:
        launch = (program(bag.directory, launch[0]), *launch[1:])
    cwd = absolute(bag.directory, task.cwd) if task.cwd else bag.submitted_from
    return TaskSettings(
        run=run,
        cwd="" if task.scratch else cwd,
        env=dict(environment.env),
        path=tuple(absolute(bag.directory, path) for path in environment.path),
        launch=launch,
        python_path=search_path(bag) if task.function else (),
        cores=task.resources.cores,
        memory_mib=task.resources.memory_mib,
        gpus=task.resources.gpus,
        timeout_s=task.timeout_s,
        atomic_outputs=task.atomic_outputs,
    )


def _elements(bag: Bag) -> list[Elements]:
    return [Elements(name, axis, bag.directory) for name, axis in bag.each.items()]


def _product(axes: Sequence[Elements]) -> Iterator[tuple[Element, ...]]:
    """Yield the product of the axes, like itertools.product, but without keeping them in memory."""
    if not axes:
        yield ()
    elif len(axes) == 1:
        for element in axes[0]:
            yield (element,)
    else:
        for element in axes[0]:
            for rest in _product(axes[1:]):
                yield (element, *rest)


def _tasks(bag: Bag, task_template: TaskTemplate, axes: Sequence[Elements]) -> Iterator[Task]:
    source = function_source(bag.task.function, search_path(bag)) if bag.task.function else ""
    keys = _Keys(source, may_repeat=not all(axis.distinct for axis in axes))
    written: set[int] = set()  # hashes of the outputs so far
    for index, elements in enumerate(_product(axes)):
        task = task_template.task(index, elements)
        refusal = mpi_refusal(task.argv[0]) if task.argv else ""
        if refusal:
            raise InputError(f"task {index}: {refusal}")
        for output in task.outputs:
            mark = hash(output)
            if mark in written:
                _refuse_second_writer(output, (index, elements), task_template, axes)
            written.add(mark)
        yield keys.stamp(task, task_template.written(elements))


class _Keys:
    """The keys of tasks, which are equal in every run of the same bag."""

    def __init__(self, source: str, *, may_repeat: bool) -> None:
        self.source = source
        self.may_repeat = may_repeat
        self.seen: set[bytes] = set()
        self.again: Counter[bytes] = Counter()

    def stamp(self, task: Task, written: dict[str, str]) -> Task:
        body = (
            task.argv or (task.function, self.source),
            task.kwargs,
            written,
            task.inputs,
            task.outputs,
        )
        digest = hashlib.blake2b(_encode(body).encode(), digest_size=12)
        if self.may_repeat:
            plain = digest.digest()
            if plain in self.seen:
                self.again[plain] += 1
                digest.update(b"#%d" % self.again[plain])
            self.seen.add(plain)
        object.__setattr__(task, "key", digest.hexdigest())  # nobody else has it yet
        return task


def _refuse_second_writer(
    output: str,
    second: tuple[int, Sequence[Element]],
    task_template: TaskTemplate,
    axes: Sequence[Elements],
) -> None:
    """Refuse a task whose output an earlier task writes; name both. Ignore equal hashes only."""
    for index, elements in enumerate(_product(axes)):
        if index >= second[0]:
            return
        if output in task_template.task(index, elements).outputs:
            unused = task_template.missing_in_outputs()
            hint = f"Put {unused} into the output's name." if unused else ""
            raise InputError(
                f"tasks {index} ({_parameters_text(task_template, elements)}) and {second[0]} "
                f"({_parameters_text(task_template, second[1])}) would both write {output}",
                hint=hint,
            )


def _parameters_text(task_template: TaskTemplate, elements: Sequence[Element]) -> str:
    parameters = task_template.written(elements)
    return ", ".join(f"{name}={text}" for name, text in parameters.items()) or "no parameters"
