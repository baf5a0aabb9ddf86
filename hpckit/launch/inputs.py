"""Files of tasks: what inputs were like when the run was made, what changed since, what is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from hpckit.errors import StorageError
from hpckit.model.task import Task
from hpckit.run.rundir import RunDir
from hpckit.run.state import DONE, RunState
from hpckit.run.tasks import read_tasks

#: Size in bytes and time of last change in nanoseconds; None for what is not there.
InputMark = tuple[int, int] | None


@dataclass(frozen=True)
class Changed:
    """A task whose inputs are not what they were, and which of them."""

    index: int
    inputs: tuple[str, ...]


def mark(path: str) -> InputMark:
    """Return what a file is like now."""
    try:
        about = os.stat(path)  # noqa: PTH116 - a million times, pathlib counts
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def inputs_line(index: int, marks: Iterable[InputMark]) -> str:
    """Return the line of ``inputs.jsonl`` for a task: its index and its inputs' marks."""
    return json.dumps([index, *marks]) + "\n"


class MissingInputs:
    """Counts the tasks of which an input is not there, while one goes through them."""

    def __init__(self) -> None:
        self.tasks = 0
        self._first = ""

    def marks(self, task: Task) -> list[InputMark]:
        """Return what the task's inputs are like now, and count it if one is missing."""
        marks = [mark(path) for path in task.inputs]
        if None in marks:
            self.tasks += 1
            self._first = self._first or f"task {task.index}: {task.inputs[marks.index(None)]}"
        return marks

    @property
    def note(self) -> str:
        """The note for the user; ``""`` when all inputs are there."""
        if not self.tasks:
            return ""
        whose = "1 task has an input" if self.tasks == 1 else f"{self.tasks} tasks have inputs"
        return f"{whose} that cannot be found now ({self._first}); run all the same"


def changed_inputs(run_dir: RunDir) -> Iterator[Changed]:
    """Yield the tasks whose inputs changed, came or went since the run was made.

    Raises:
        StorageError: the run directory cannot be read.
    """
    try:
        with run_dir.inputs.open() as marks, run_dir.tasks.open() as tasks:
            yield from _compare(marks, tasks)
    except FileNotFoundError:
        return  # no task has inputs
    except (OSError, ValueError, KeyError) as error:
        raise StorageError(f"cannot read the inputs of {run_dir.root}: {error}") from error


def _compare(marks: Iterator[str], tasks: Iterator[str]) -> Iterator[Changed]:
    for line in marks:
        index, *then = json.loads(line)
        raw = next(raw for raw in map(json.loads, tasks) if raw["index"] == index)
        now = [mark(path) for path in raw.get("inputs", ())]
        paths = tuple(
            path
            for path, before, after in zip(raw.get("inputs", ()), then, now, strict=True)
            if (tuple(before) if before else None) != after
        )
        if paths:
            yield Changed(index, paths)


def missing_outputs(run_dir: RunDir, state: RunState) -> list[int]:
    """Return the done tasks of which a declared output is no longer there.

    Raises:
        StorageError: the run directory cannot be read.
    """
    done = (task for task in read_tasks(run_dir) if state.status[task.index] == DONE)
    return [task.index for task in done if None in map(mark, task.outputs)]


def current_marks(run_dir: RunDir, indices: Collection[int]) -> str:
    """Return ``inputs.jsonl`` with the inputs of these tasks as they are now.

    It is ``""`` when no task is meant, and when none has inputs.

    Raises:
        StorageError: the run directory cannot be read.
    """
    wanted = set(indices)
    if not wanted or not run_dir.inputs.exists():
        return ""
    try:
        with run_dir.tasks.open() as tasks:
            found = (Task.from_dict(raw) for raw in map(json.loads, tasks))
            fresh = {
                task.index: inputs_line(task.index, map(mark, task.inputs))
                for task in found
                if task.index in wanted
            }
        lines = run_dir.inputs.read_text().splitlines(keepends=True)
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot read the inputs of {run_dir.root}: {error}") from error
    return "".join(fresh.get(json.loads(line)[0], line) for line in lines)
