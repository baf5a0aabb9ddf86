"""The work that reclaims cost, from the files that every start of a task leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from hpckit.bench.measure.workload import TaskStart
from hpckit.run.state import RunState


def count_wasted_work(
    starts: Sequence[TaskStart], state: RunState, first: int
) -> tuple[int, float]:
    """Return how many starts were beyond one for each task, and how many seconds they took.

    The start that counts is the one nearest to what the journal says of the task. One that was
    cut short lasted until its worker was seen to leave.

    Args:
        starts: of all tasks; a task is named by its number.
        state: the journal's.
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
            found.remove(min(found, key=lambda start: abs(start.at - at)))
        redone += len(found)
        wasted_s += sum(_seconds(start, state) for start in found)
    return redone, wasted_s


def _seconds(start: TaskStart, state: RunState) -> float:
    until = start.ended_at or min(_ends_after(start, state), default=start.at)
    return max(0.0, until - start.at)


def _ends_after(start: TaskStart, state: RunState) -> Iterable[float]:
    """Yield when workers left after this start: of its own job, else of any."""
    left = [
        (record.joined.job_id, record.left.t)
        for record in state.workers.values()
        if record.left and record.left.t >= start.at
    ]
    own = [t for job, t in left if job == start.job]
    return own or [t for _, t in left]
