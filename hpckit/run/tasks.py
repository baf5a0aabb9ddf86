"""The tasks of a run, which submit has expanded (``tasks.jsonl``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from hpckit.errors import InputError, StorageError
from hpckit.model.task import Task
from hpckit.run.rundir import RunDir


def read_tasks(run_dir: RunDir) -> Iterator[Task]:
    """Yield the run's tasks in the order of their indices.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        with run_dir.tasks.open(encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                yield Task.from_dict(json.loads(line))
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(f"cannot read {run_dir.tasks}: {error}") from error


def read_task(run_dir: RunDir, index: int, tasks: int) -> Task:
    """Return one task of a run that has `tasks` tasks.

    Raises:
        InputError: there is no such task.
        StorageError: the file cannot be read.
    """
    if 0 <= index < tasks:
        try:
            with run_dir.tasks.open(encoding="utf-8", errors="surrogateescape") as stream:
                line = next(islice(stream, index, None))  # the lines before it need not be decoded
            return Task.from_dict(json.loads(line))
        except (OSError, ValueError, TypeError, StopIteration) as error:
            raise StorageError(f"cannot read {run_dir.tasks}: {error}") from error
    raise InputError(
        f"task {index} not found in run {run_dir.root.name}",
        hint=f"Its tasks are numbered from 0 to {tasks - 1}.",
    )
