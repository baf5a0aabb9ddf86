"""Outputs that appear whole or not at all (``atomic_outputs = true``).

The task writes to a name of its own beside each output; when it has ended well, each is renamed
into place. What a killed worker leaves has a name by which the head finds it at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpckit.spec.paths import whole_paths
from hpckit.spec.task import Task, TaskResult


@dataclass(frozen=True)
class Partials:
    """The temporary names of one attempt's outputs, by output."""

    names: dict[str, str]

    def of(self, task: Task) -> Task:
        """Return the task with every output's name replaced, wherever it occurs."""
        if not self.names:
            return task
        pattern = whole_paths(self.names)
        return replace(
            task,
            argv=tuple(self._renamed(word, pattern) for word in task.argv),
            kwargs=self._renamed(task.kwargs, pattern),
            outputs=tuple(self.names.values()),
        )

    def settle(self, result: TaskResult) -> TaskResult:
        """Put the outputs in place if the task is done; remove them otherwise."""
        if not self.names:
            return result
        message = result.message
        for output, name in self.names.items():
            message = message.replace(name, output)
        result = replace(result, message=message)
        try:
            if result.ok:
                for output, name in self.names.items():
                    _put_in_place(name, output)
        except OSError as error:
            words = f"{error.filename2 or error.filename}: {error.strerror}"
            result = replace(result, kind="missing_output", message=f"cannot put in place {words}")
        finally:
            for name in self.names.values():
                _remove(name)
        return result

    def _renamed(self, value: Any, pattern: re.Pattern[str]) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda found: self.names[found[0]], value)
        if isinstance(value, dict):
            return {key: self._renamed(item, pattern) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._renamed(item, pattern) for item in value]
        return value


def partials_of(task: Task, run: str, token: str) -> Partials:
    """Return the temporary names of a task's outputs.

    Each is hidden, keeps the suffix (by which programs choose a format), and is this attempt's
    alone: `token` names worker and slot.
    """
    own = hashlib.blake2b(token.encode(), digest_size=4).hexdigest()
    names = {}
    for number, output in enumerate(task.outputs):
        path = Path(output)
        name = f"{prefix_of(run)}{task.index}-{number}-{own}{path.suffix}"
        names[output] = str(path.with_name(name))
    return Partials(names)


def prefix_of(run: str) -> str:
    """Return how the temporary names of a run's outputs begin."""
    return f".hpckit-{hashlib.blake2b(run.encode(), digest_size=4).hexdigest()}-"


def sweep_partials(run: str, directories: set[str]) -> None:
    """Remove what workers that were killed have left of a run's outputs."""
    prefix = prefix_of(run)
    for directory in directories:
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):  # noqa: PTH208 - the fastest
                if name.startswith(prefix):
                    _remove(os.path.join(directory, name))  # noqa: PTH118


def _put_in_place(name: str, output: str) -> None:
    """Rename `name` to `output`; a directory takes the place of another one."""
    aside = f"{name}.old"
    if Path(name).is_dir() and Path(output).is_dir():
        Path(output).rename(aside)
    Path(name).replace(output)
    _remove(aside)


def _remove(name: str) -> None:
    path = Path(name)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
