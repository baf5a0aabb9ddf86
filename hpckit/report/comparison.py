"""One row per run of the same bag: what it came to, how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hpckit.report.results import results_table
from hpckit.run.rundir import RunDir
from hpckit.run.status import read_status


@dataclass(frozen=True)
class Comparison:
    """A finished run of compression tasks, as the demo's table shows it.

    Sizes are bytes, times seconds. `error_of_bound` is the worst measured error over the
    bound that was asked for: above 1 the bound is broken. None where no task said so.
    """

    backend: str
    run: str
    run_dir: str
    done: int
    failed: int
    bytes_in: int
    bytes_out: int
    error_of_bound: float | None
    makespan_s: float
    first_worker_s: float  # from the head's start until the first worker joined

    @property
    def ratio(self) -> float | None:
        """Bytes in over bytes out."""
        return self.bytes_in / self.bytes_out if self.bytes_out else None

    @property
    def tasks_per_s(self) -> float:
        """Done tasks over the makespan."""
        return self.done / self.makespan_s if self.makespan_s else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the item of ``demo --json``."""
        return {**vars(self), "ratio": self.ratio, "tasks_per_s": self.tasks_per_s}


def compare(run_dir: RunDir) -> Comparison:
    """Return the row of a run whose tasks print what compress_task prints.

    Raises:
        StorageError: the run directory cannot be read.
    """
    status = read_status(run_dir)
    rows = results_table(run_dir).rows
    errors = [
        row["max_abs_error"] / float(row["tolerance"])
        for row in rows
        if isinstance(row.get("max_abs_error"), int | float) and row.get("tolerance")
    ]
    joined = [record.joined.t for record in status.run_state.workers.values()]
    start = status.run_state.first_at
    return Comparison(
        backend=status.plan.backend,
        run=status.plan.run,
        run_dir=str(run_dir.root),
        done=status.counts.done,
        failed=status.counts.failed,
        bytes_in=sum(int(row.get("bytes_in") or 0) for row in rows),
        bytes_out=sum(int(row.get("bytes_out") or 0) for row in rows),
        error_of_bound=max(errors, default=None),
        makespan_s=status.makespan_s,
        first_worker_s=min(joined, default=start) - start,
    )
