"""Build the state of a run from the events of its journal.

The head keeps one and applies each event that it writes. So its state and the state that a
reader builds from the journal are always equal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from hpckit.model.failure_kind import FailureKind
from hpckit.protocol.result import OK
from hpckit.run.events import (
    Ended,
    Event,
    Explained,
    Joined,
    Left,
    Lost,
    Noted,
    Opened,
    Returned,
    Row,
)

WAITING: Final = 0
DONE: Final = 1
FAILED: Final = 2
#: Ends of a worker's job that no task has caused. Any other end may be the fault of a task.
#: https://slurm.schedmd.com/squeue.html, JOB STATE CODES
NOT_TASK_FAULT: Final = frozenset(
    {"PREEMPTED", "NODE_FAIL", "TIMEOUT", "CANCELLED", "REQUEUED", "DEADLINE", "BOOT_FAIL",
     "REVOKED", "SUSPENDED", "UNKNOWN"}
)  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """One recorded attempt: its row, incarnation and worker."""

    row: Row
    incarnation: int
    worker: str


@dataclass
class WorkerRecord:
    """One worker, from its joining to its end."""

    joined: Joined
    left: Left | None = None
    reason: str = ""  # Slurm's reason why it left, once it is known
    suspects: list[int] = field(default_factory=list)  # tasks that may have killed it


@dataclass
class RunState:
    """The state of a run of `tasks` tasks after some events."""

    tasks: int
    status: bytearray = field(init=False)  # WAITING, DONE or FAILED, by index
    last: dict[int, Attempt] = field(default_factory=dict)  # newest attempt of each task
    failures: dict[int, Counter[str]] = field(default_factory=dict)  # failed attempts, by kind
    workers: dict[str, WorkerRecord] = field(default_factory=dict)
    opened: Opened | None = None
    ended: Ended | None = None
    noted: Noted | None = None  # the last one
    resumed: set[str] = field(default_factory=set)  # resume requests carried out, by id
    first_at: float = 0.0
    last_at: float = 0.0
    reset_at: dict[int, int] = field(default_factory=dict)  # incarnation that ran a task again
    duplicates: int = 0  # results of tasks that were done before

    def __post_init__(self) -> None:
        self.status = bytearray(self.tasks)

    @property
    def done(self) -> int:
        """Number of tasks that are done."""
        return self.status.count(DONE)

    @property
    def failed(self) -> int:
        """Number of tasks that have failed for good."""
        return self.status.count(FAILED)

    @property
    def left(self) -> int:
        """Number of tasks that are neither done nor failed."""
        return self.tasks - self.done - self.failed

    def apply(self, event: Event, incarnation: int) -> None:
        """Update the state by one event."""
        match event:
            case Opened():
                self._open(event)
            case Joined():
                known = self.workers.get(event.worker)  # it joined before, and its connection broke
                self.workers[event.worker] = WorkerRecord(
                    event, suspects=known.suspects if known else []
                )
            case Left():
                if event.worker in self.workers:
                    self.workers[event.worker].left = event
            case Explained():
                self._explain(event)
            case Returned():
                self._add_rows(event.rows, incarnation, event.worker)
            case Lost():
                self._add_rows(event.rows, incarnation, event.worker)
                self._suspect(event)
            case Noted():
                self.noted = event
            case Ended():
                self.ended = event
        self.last_at = max(self.last_at, event.t)

    def _open(self, event: Opened) -> None:
        for record in self.workers.values():
            record.left = record.left or Left(
                t=event.t, worker=record.joined.worker, orderly=False, why="the head changed"
            )
        self.opened = event
        self.ended = None
        self.first_at = self.first_at or event.t
        if event.resume:
            self.resumed.add(event.resume)
        for index in event.again:
            self.status[index] = WAITING
            self.failures.pop(index, None)
            self.reset_at[index] = event.incarnation

    def _add_rows(self, rows: list[Row], incarnation: int, worker: str) -> None:
        for row in rows:
            if self.status[row.index] == DONE:
                self.duplicates += 1
                continue
            self.last[row.index] = Attempt(row, incarnation, worker)
            if row.kind == OK:
                self.status[row.index] = DONE
            else:
                self.failures.setdefault(row.index, Counter())[row.kind] += 1
                self.status[row.index] = FAILED if row.final else WAITING

    def _suspect(self, event: Lost) -> None:
        if event.suspect is not None and self.status[event.suspect] == WAITING:
            self.failures.setdefault(event.suspect, Counter())[FailureKind.LOST] += 1
            if event.worker in self.workers:
                self.workers[event.worker].suspects.append(event.suspect)

    def _explain(self, event: Explained) -> None:
        record = self.workers.get(event.worker)
        if record is None:
            return
        record.reason = event.reason
        if event.reason in NOT_TASK_FAULT:
            for index in record.suspects:
                if self.failures.get(index, Counter())[FailureKind.LOST] > 0:
                    self.failures[index][FailureKind.LOST] -= 1
            record.suspects.clear()
