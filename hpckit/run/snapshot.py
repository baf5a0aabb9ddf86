"""The counts of a run at a moment (``snapshot.json``, ``hpckit.snapshot/1``).

The head writes it about once a second, so that whoever follows a run live need not
replay its journal at every look. It can always be rebuilt; where it disagrees with the
journal, the journal is right.
"""

from __future__ import annotations

import msgspec

from hpckit.run.rundir import RunDir, write_atomically

SNAPSHOT_SCHEMA = "hpckit.snapshot/1"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The number of tasks in each state; they add up to the run's tasks."""

    done: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The counts, and which head took them when."""

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
    """Return the snapshot, None where there is none that can be read and is of this schema."""
    try:
        snapshot = msgspec.json.decode(run_dir.snapshot.read_bytes(), type=Snapshot)
    except (OSError, ValueError):  # msgspec's errors are ValueErrors, and so is a torn character
        return None
    return snapshot if snapshot.schema == SNAPSHOT_SCHEMA else None
