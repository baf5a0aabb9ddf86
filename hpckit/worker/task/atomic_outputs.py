"""Outputs that appear whole or not at all (``atomic_outputs = true``).

The task writes to a name of its own beside each output; when it has ended well, each is renamed
into place. What a killed worker leaves has a name by which the head finds it at the end.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpckit.model.failure_kind import FailureKind
from hpckit.model.paths import whole_paths
from hpckit.model.task import Task
from hpckit.protocol.result import TaskResult
from hpckit.run.temporary_outputs import remove_output, temporary_prefix


@dataclass(frozen=True)
class TemporaryOutputs:
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

    def put_in_place(self, result: TaskResult) -> TaskResult:
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
            result = replace(
                result, kind=FailureKind.MISSING_OUTPUT, message=f"cannot put in place {words}"
            )
        finally:
            for name in self.names.values():
                remove_output(name)
        return result

    def _renamed(self, value: Any, pattern: re.Pattern[str]) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda found: self.names[found[0]], value)
        if isinstance(value, dict):
            return {key: self._renamed(item, pattern) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._renamed(item, pattern) for item in value]
        return value


def temporary_outputs_of(task: Task, run: str, token: str) -> TemporaryOutputs:
    """Return the temporary names of a task's outputs.

    Each is hidden, keeps the suffix (by which programs choose a format), and is this attempt's
    alone: `token` names worker and slot.
    """
    own = hashlib.blake2b(token.encode(), digest_size=4).hexdigest()
    names = {}
    for number, output in enumerate(task.outputs):
        path = Path(output)
        name = f"{temporary_prefix(run)}{task.index}-{number}-{own}{path.suffix}"
        names[output] = str(path.with_name(name))
    return TemporaryOutputs(names)


def _put_in_place(name: str, output: str) -> None:
    """Rename `name` to `output`; a directory takes the place of another one."""
    aside = f"{name}.old"
    if Path(name).is_dir() and Path(output).is_dir():
        Path(output).rename(aside)
    Path(name).replace(output)
    remove_output(aside)
