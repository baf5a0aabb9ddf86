"""The number of tasks in each state (``snapshot.json``, ``hpckit.snapshot/1``).

The head writes it about once a second, so that programs that show a run's progress need not
replay its journal each time. If it differs from the journal, the journal is right.
"""

from __future__ import annotations

import msgspec

from hpckit.run.rundir import RunDir, write_atomically

SNAPSHOT_SCHEMA = "hpckit.snapshot/1"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The number of tasks in each state; the sum is the number of tasks of the run."""

    done: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The counts, with their time and the head that wrote them."""

    schema: str = SNAPSHOT_SCHEMA
    run: str
    incarnation: int
    counts: Counts
    at: float  # Unix time, seconds


def write_snapshot(run_dir: RunDir, snapshot: Snapshot) -> None:
    """Replace the snapshot.

    Raises:
        StorageError: the run directory cannot be written.
    """
    write_atomically(run_dir.snapshot, msgspec.json.encode(snapshot).decode())


def read_snapshot(run_dir: RunDir) -> Snapshot | None:
    """Return the snapshot; None if there is none, or it cannot be read or has another schema."""
    try:
        snapshot = msgspec.json.decode(run_dir.snapshot.read_bytes(), type=Snapshot)
    except (OSError, ValueError):  # errors of msgspec and of UTF-8 are ValueErrors
        return None
    return snapshot if snapshot.schema == SNAPSHOT_SCHEMA else None
