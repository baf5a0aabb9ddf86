"""Running a bundle in a slot: its tasks one after another, each spooled when it is done."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field, replace
from typing import Final

from hpckit.node.atomic import Partials, partials_of
from hpckit.node.backoff import BackOff
from hpckit.node.call import WarmInterpreter
from hpckit.node.cut import Cut
from hpckit.node.execute import Shared, run_command
from hpckit.node.lifetime import Lifetime
from hpckit.node.spool import Spool
from hpckit.node.surroundings import NotPossible, SlotPlace, prepare
from hpckit.spec.task import Bundle, BundleResult, Task, TaskResult

#: How long a slot pauses that could not start a task: at first, and at most.
_PAUSE_S: Final = (0.3, 30.0)


class Pauses:
    """How long a slot rests that could not start a task: a node that can start nothing would
    be handed the same tasks again at once, and for ever."""

    def __init__(self) -> None:
        self.why = ""
        self._back_off = BackOff(*_PAUSE_S)
        self._due_s = 0.0

    def could_start(self) -> None:
        """Note that a task could be started."""
        self._back_off.reset()

    def could_not_start(self, why: str) -> None:
        """Note that one could not: the next pause is twice as long as the last one."""
        self.why = why
        self._due_s = self._back_off.next_s()

    def take(self) -> float:
        """Return for how many seconds the slot has to rest now; it is due only once."""
        due_s, self._due_s = self._due_s, 0.0
        return due_s


@dataclass(frozen=True)
class Slot:
    """One of the worker's slots with all that its tasks need."""

    worker: str
    place: SlotPlace
    shared: Shared
    lifetime: Lifetime
    spool: Spool
    interpreter: WarmInterpreter
    pauses: Pauses = field(default_factory=Pauses)


def refuse(bundle: Bundle, worker: str, reason: str) -> BundleResult:
    """Return a bundle with nothing of it run."""
    not_run = tuple(task.index for task in bundle.tasks)
    return BundleResult(bundle=bundle.id, worker=worker, results=(), not_run=not_run, reason=reason)


def run_bundle(bundle: Bundle, slot: Slot, cut: Cut) -> BundleResult:
    """Run the tasks of a bundle until all are done, time is short or something cuts it.

    Where the node cannot start a task, that one and the rest are handed back as not run.
    """
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
        result = _too_long(result, slot.lifetime)
        reason = _not_startable(result, slot, cut)
        if reason:
            slot.pauses.could_not_start(reason)
            break
        results.append(result)
        if result.kind != "lost":
            slot.pauses.could_start()
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


def _not_startable(result: TaskResult, slot: Slot, cut: Cut) -> str:
    """Return why the node could not start a task, ``""`` if it did: what a cut, a warning or
    the walltime has ended is lost as well."""
    if result.kind != "lost" or cut.check() or cut.abandoned:
        return ""
    if slot.shared.warned.at or slot.lifetime.refusal(0):
        return ""
    return result.message or "this node cannot start tasks"


def _too_long(result: TaskResult, lifetime: Lifetime) -> TaskResult:
    """Return a task as timed out that went with its worker, having had all of a worker's time:
    as lost it would be begun again for ever."""
    if result.kind != "lost" or not (why := lifetime.too_short(result.started_at, result.wall_s)):
        return result
    return replace(result, kind="timeout", message=why)


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
