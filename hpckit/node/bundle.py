"""Running a bundle in a slot: its tasks one after another, each spooled when it is done."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from hpckit.node.atomic import Partials, partials_of
from hpckit.node.call import WarmInterpreter
from hpckit.node.cut import Cut
from hpckit.node.execute import Shared, run_command
from hpckit.node.lifetime import Lifetime
from hpckit.node.spool import Spool
from hpckit.node.surroundings import NotPossible, SlotPlace, prepare
from hpckit.spec.task import Bundle, BundleResult, Task, TaskResult


@dataclass(frozen=True)
class Slot:
    """One of the worker's slots with all that its tasks need."""

    worker: str
    place: SlotPlace
    shared: Shared
    lifetime: Lifetime
    spool: Spool
    interpreter: WarmInterpreter


def refuse(bundle: Bundle, worker: str, reason: str) -> BundleResult:
    """Return a bundle with nothing of it run."""
    not_run = tuple(task.index for task in bundle.tasks)
    return BundleResult(bundle=bundle.id, worker=worker, results=(), not_run=not_run, reason=reason)


def run_bundle(bundle: Bundle, slot: Slot, cut: Cut) -> BundleResult:
    """Run the tasks of a bundle until all are done, time is short or something cuts it."""
    each_s = bundle.expected_s / max(1, len(bundle.tasks))
    results: list[TaskResult] = []
    reason = ""
    for number, task in enumerate(bundle.tasks):
        reason = (slot.lifetime.refusal(each_s) if number else "") or cut.check()
        if not reason and cut.abandoned:  # the task that outlived its client was the last
            reason = "its engine gave it up"
        if reason:
            break
        result = _run_safely(task, bundle.attempts[number], bundle, slot, cut)
        results.append(result)
        if result.kind != "lost":
            slot.spool.finished(bundle.id, result)
    not_run = tuple(task.index for task in bundle.tasks[len(results) :])
    if not_run:
        slot.spool.handed_back(bundle.id, list(not_run), reason)
    return BundleResult(
        bundle=bundle.id,
        worker=slot.worker,
        results=tuple(results),
        not_run=not_run,
        reason=reason if not_run else "",
    )


def _run_safely(task: Task, attempt: int, bundle: Bundle, slot: Slot, cut: Cut) -> TaskResult:
    """Run a task; a fault of the runner's own becomes that task's failure, not the worker's."""
    try:
        return _run_task(task, attempt, bundle, slot, cut)
    except Exception:
        trace = traceback.format_exc()
        message = "the runner itself failed: " + trace.strip().rpartition("\n")[2]
        return TaskResult(
            index=task.index, attempt=attempt, kind="error", message=message, stderr=trace
        )


def _run_task(task: Task, attempt: int, bundle: Bundle, slot: Slot, cut: Cut) -> TaskResult:
    around = bundle.surroundings
    token = f"{slot.worker}/{slot.place.number}/{bundle.id}/{task.index}"
    try:
        place = prepare(task, attempt, around, slot.place, token=token)
    except NotPossible as error:
        return TaskResult(index=task.index, attempt=attempt, kind=error.kind, message=str(error))
    partials = partials_of(task, around.run, token) if around.atomic_outputs else Partials({})
    task = partials.of(task)
    try:
        if task.argv:
            result = run_command(task, attempt, around, place, cut, slot.shared)
        else:
            result = slot.interpreter.call(task, attempt, around, place, cut, slot.shared)
        return partials.settle(result)
    finally:
        place.remove()
