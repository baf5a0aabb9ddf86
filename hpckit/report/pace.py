"""Measure how fast a run proceeds, and when it will end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from hpckit.run.status import RunStatus

WINDOW_S: Final = 60.0  # what "lately" is
_MIN_S: Final = 1.0  # of a run that is younger, nothing can be said


@dataclass(frozen=True)
class Pace:
    """Tasks per second lately (of an ended run: over all its time), and seconds still to go.

    None is what cannot be said: nothing came back yet, or the run is not running.
    """

    tasks_per_s: float | None
    left_s: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return what ``status --json`` says of it."""
        return {
            "tasks_per_s": None if self.tasks_per_s is None else round(self.tasks_per_s, 4),
            "left_s": None if self.left_s is None else round(self.left_s, 1),
        }


def measure_pace(found: RunStatus, now: float | None = None) -> Pace:
    """Return the pace of a run, from when its tasks ended.

    Args:
        found: the run's status.
        now: Unix time in seconds; by default this moment.
    """
    record, counts = found.run_state, found.counts
    if found.state != "running" or record.opened is None:
        ended = counts.done + counts.failed
        return Pace(ended / found.makespan_s if ended and found.makespan_s else None, None)
    now = time.time() if now is None else now
    since = max(now - WINDOW_S, record.opened.t)
    span = now - since
    if span < _MIN_S:
        return Pace(None, None)
    rows = (attempt.row for attempt in record.last.values())
    lately = sum(1 for row in rows if row.final and row.started_at + row.wall_s >= since)
    rate = lately / span
    return Pace(rate, (counts.running + counts.waiting) / rate) if rate else Pace(None, None)


def rate_words(tasks_per_s: float) -> str:
    """Return a rate in the unit that reads well: ``1083 tasks/s``, ``2.5 tasks/min``."""
    for unit, factor in (("s", 1.0), ("min", 60.0), ("h", 3600.0)):
        rate = tasks_per_s * factor
        if rate >= 1 or unit == "h":
            break
    return f"{rate:.0f} tasks/{unit}" if rate >= 100 else f"{rate:.2g} tasks/{unit}"
