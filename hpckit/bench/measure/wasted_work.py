"""Work that reclaims have cost, counted from the files that each start of a task leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from hpckit.bench.measure.workload import TaskStart
from hpckit.run.state import RunState


def count_wasted_work(
    starts: Sequence[TaskStart], state: RunState, first: int
) -> tuple[int, float]:
    """Return the number of starts beyond one per task, and the seconds that they took.

    The start that counts is the one nearest to the time in the journal. A start that was
    interrupted lasted until its worker left.

    Args:
        starts: of all tasks; the name of a task is its number.
        state: from the journal.
        first: the number of the task with index 0.
    """
    of_task: dict[int, list[TaskStart]] = defaultdict(list)
    for start in starts:
        of_task[int(start.task) - first].append(start)
    redone, wasted_s = 0, 0.0
    for index, found in of_task.items():
        attempt = state.last.get(index)
        if attempt is not None:
            at = attempt.row.started_at
            found.remove(min(found, key=lambda start: abs(start.started_at - at)))
        redone += len(found)
        wasted_s += sum(_seconds(start, state) for start in found)
    return redone, wasted_s


def _seconds(start: TaskStart, state: RunState) -> float:
    until = start.ended_at or min(_ends_after(start, state), default=start.started_at)
    return max(0.0, until - start.started_at)


def _ends_after(start: TaskStart, state: RunState) -> Iterable[float]:
    """Return when workers left after this start: those of its own job, else all."""
    left = [
        (record.joined.job_id, record.left.t)
        for record in state.workers.values()
        if record.left and record.left.t >= start.started_at
    ]
    own = [t for job, t in left if job == start.job]
    return own or [t for _, t in left]
