"""The files that this head writes: events into the journal, and the counts once a second."""

from __future__ import annotations

import time
from typing import Final

from hpckit.head.task_scheduler import TaskScheduler
from hpckit.run.events import Ended, Event, Joined, Left, Noted
from hpckit.run.journal import JournalWriter
from hpckit.run.output import OutputWriter
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import Counts, Snapshot, write_snapshot

SNAPSHOT_S: Final = 1.0


class EventLog:
    """Collects events, and writes those of a round together.

    Args:
        run_dir: the run's files.
        journal: this incarnation's.
        output: what the tasks printed; it is made durable before a row points at it.
        task_scheduler: the state that the events lead to.
    """

    def __init__(
        self, run_dir: RunDir, journal: JournalWriter, output: OutputWriter,
        task_scheduler: TaskScheduler,
    ) -> None:  # fmt: skip
        self._run_dir = run_dir
        self._journal = journal
        self._output = output
        self._task_scheduler = task_scheduler
        self._pending: list[Event] = []
        self._snapshot_at = 0.0

    @property
    def incarnation(self) -> int:
        """The number of the head that writes."""
        return self._journal.incarnation

    def check_fence(self) -> None:
        """See whether this head still speaks for the run.

        Raises:
            FencedError: a newer head has taken over.
        """
        self._journal.check_fence()

    def note(self, event: Event | None) -> None:
        """Take an event for the next `flush`; those of the task scheduler are applied already."""
        if event is not None:
            self._pending.append(event)
            if isinstance(event, Joined | Left | Noted | Ended):
                self._task_scheduler.state.apply(event, self._journal.incarnation)

    def flush(self) -> None:
        """Write what has been noted, and the counts when it is time.

        Raises:
            FencedError: a newer head has taken over.
            StorageError: it could not be written.
        """
        if self._pending:
            self._output.sync()
            self._journal.append(*self._pending)
            self._pending.clear()
        if time.monotonic() - self._snapshot_at >= SNAPSHOT_S:
            self.write_counts()

    def write_counts(self) -> None:
        """Write the counts of the moment.

        Raises:
            FencedError: a newer head has taken over.
            StorageError: they could not be written.
        """
        self.check_fence()
        self._snapshot_at = time.monotonic()
        state, running = self._task_scheduler.state, self._task_scheduler.running
        counts = Counts(
            done=state.done,
            failed=state.failed,
            running=running,
            waiting=state.left - running,
        )
        snapshot = Snapshot(
            run=self._run_dir.root.name,
            incarnation=self._journal.incarnation,
            counts=counts,
            at=time.time(),
        )
        write_snapshot(self._run_dir, snapshot)
