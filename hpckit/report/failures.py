"""Which tasks failed for good, and what is known of each."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from hpckit.run.events import Lost, Returned
from hpckit.run.journal import replay
from hpckit.run.output import read_output
from hpckit.run.rundir import RunDir
from hpckit.run.state import FAILED, RunState


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
        if self.signal is None:
            return ""
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return str(self.signal)

    @property
    def words(self) -> str:
        """hpckit's words, else the last line that is not empty of the task's stderr."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return self.message or (lines[-1].strip() if lines else "")

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
    found = []
    for index, status in enumerate(state.status):
        if status != FAILED:
            continue
        attempt = state.last[index]
        printed = read_output(run_dir, attempt.incarnation, attempt.row.output_at)
        row = attempt.row
        found.append(
            Failure(
                index=index,
                kind=row.kind,
                exit_code=row.exit_code,
                signal=row.signal,
                message=row.message,
                stderr=printed.stderr if printed else "",
                workers=tuple(dict.fromkeys(workers.get(index, []))),
            )
        )
    return found
