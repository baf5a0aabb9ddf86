"""Which tasks failed for good, and what is known of each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hpckit.common.processes import signal_name
from hpckit.model.failure_kind import FailureKind, meaning
from hpckit.run.events import Lost, Returned
from hpckit.run.journal import replay
from hpckit.run.output import OutputReader
from hpckit.run.rundir import RunDir
from hpckit.run.state import FAILED, Attempt, RunState

#: What differs between messages of one cause: quoted names, paths, hexadecimal and other numbers.
_VARIABLE: Final = re.compile(r"""'[^']*'|"[^"]*"|\S*/\S*|0x[0-9a-fA-F]+|\d+(?:\.\d+)?""")
_SIGNATURE_LENGTH: Final = 200
_LONGEST_WORDS: Final = 2000  # of a message that are compared: a long word takes long to search


@dataclass(frozen=True)
class Failure:
    """One task that failed for good."""

    index: int
    kind: str
    exit_code: int | None
    signal: int | None
    message: str  # hpckit's own words
    stderr: str  # bounded, of the last attempt
    workers: tuple[str, ...]  # of every attempt, the last one last

    @property
    def signal_name(self) -> str:
        """``SIGSEGV``, or ``""`` when no signal ended it."""
        return "" if self.signal is None else signal_name(self.signal)

    @property
    def words(self) -> str:
        """The most telling text: the last line of the task's stderr, or hpckit's message.

        Of a task that exited or was ended by a signal, hpckit knows no more than the code.
        """
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        own = lines[-1] if lines else ""
        told = meaning(FailureKind(self.kind)).is_explained_by_output
        return own or self.message if told else self.message or own

    def to_dict(self) -> dict[str, Any]:
        """Return the item of ``failures --json``."""
        return {
            "index": self.index,
            "kind": self.kind,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "message": self.message,
            "stderr": self.stderr,
            "workers": list(self.workers),
        }


@dataclass(frozen=True)
class Group:
    """Failed tasks of the same kind, exit code and signal, whose messages differ only in names."""

    example: Failure  # the first of them
    signature: str  # the words they share, a # where they differ
    tasks: tuple[int, ...]  # their indices, ascending

    def to_dict(self) -> dict[str, Any]:
        """Return the item of ``groups`` in ``failures --json``."""
        return {
            "kind": self.example.kind,
            "exit_code": self.example.exit_code,
            "signal": self.example.signal,
            "signature": self.signature,
            "count": len(self.tasks),
            "tasks": list(self.tasks),
        }


def grouped(failures: Iterable[Failure]) -> list[Group]:
    """Return the groups of some failures, the largest first. Pure."""
    found: dict[tuple[object, ...], list[Failure]] = {}
    for failure in failures:
        key = (failure.kind, failure.exit_code, failure.signal, signature(failure.words))
        found.setdefault(key, []).append(failure)
    groups = [
        Group(some[0], signature(some[0].words), tuple(failure.index for failure in some))
        for some in found.values()
    ]
    return sorted(groups, key=lambda group: (-len(group.tasks), group.tasks[0]))


def signature(words: str) -> str:
    """Return a message with a # for each quoted name, path and number, which differ by the task."""
    return _VARIABLE.sub("#", words[:_LONGEST_WORDS])[:_SIGNATURE_LENGTH]


def failed_tasks(run_dir: RunDir) -> list[Failure]:
    """Return the tasks that failed for good, in the order of their indices.

    Raises:
        StorageError: the run directory cannot be read.
    """
    state = RunState(run_dir.read_plan().tasks)
    workers: dict[int, list[str]] = {}
    for entry in replay(run_dir):
        state.apply(entry.event, entry.incarnation)
        if isinstance(entry.event, Returned | Lost):
            for row in entry.event.rows:
                workers.setdefault(row.index, []).append(entry.event.worker)
    with OutputReader(run_dir) as outputs:
        return [
            _failure(index, state.last[index], outputs, workers.get(index, []))
            for index, status in enumerate(state.status)
            if status == FAILED
        ]


def _failure(index: int, attempt: Attempt, outputs: OutputReader, workers: list[str]) -> Failure:
    row, printed = attempt.row, outputs.read(attempt.incarnation, attempt.row.output_at)
    return Failure(
        index=index,
        kind=row.kind,
        exit_code=row.exit_code,
        signal=row.signal,
        message=row.message,
        stderr=printed.stderr if printed else "",
        workers=tuple(dict.fromkeys(workers)),
    )
