"""Running a bundle in a slot: its tasks one after another, each spooled when it is done."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field, replace
from typing import Final

from hpckit.common.backoff import Backoff
from hpckit.model.failure_kind import FailureKind
from hpckit.model.task import Task
from hpckit.protocol.bundle import Bundle
from hpckit.protocol.result import BundleResult, TaskResult
from hpckit.run.spool import SpoolWriter
from hpckit.worker.cancellation import Cancellation
from hpckit.worker.task.atomic_outputs import TemporaryOutputs, temporary_outputs_of
from hpckit.worker.task.environment import SlotResources, TaskStartError, prepare
from hpckit.worker.task.process import WorkerShared, run_command
from hpckit.worker.task.python_client import WarmInterpreter
from hpckit.worker.time_left import TimeLeft

#: How long a slot pauses that could not start a task: at first, and at most.
_PAUSE_S: Final = (0.3, 30.0)


class StartPauses:
    """The pauses of a slot that could not start a task: a node that can start nothing would be
    handed the same tasks again at once, and for ever."""

    def __init__(self) -> None:
        self.why = ""
        self._backoff = Backoff(*_PAUSE_S)
        self._due_s = 0.0

    def could_start(self) -> None:
        """Note that a task could be started."""
        self._backoff.reset()

    def could_not_start(self, why: str) -> None:
        """Note that one could not: the next pause is twice as long as the last one."""
        self.why = why
        self._due_s = self._backoff.next_s()

    def take(self) -> float:
        """Return for how many seconds the slot has to rest now; it is due only once."""
        due_s, self._due_s = self._due_s, 0.0
        return due_s


@dataclass(frozen=True)
class Slot:
    """One of the worker's slots with all that its tasks need."""

    worker: str
    context: SlotResources
    shared: WorkerShared
    time_left: TimeLeft
    spool: SpoolWriter
    interpreter: WarmInterpreter
    pauses: StartPauses = field(default_factory=StartPauses)


def refuse(bundle: Bundle, worker: str, reason: str) -> BundleResult:
    """Return a bundle with nothing of it run."""
    not_run = tuple(task.index for task in bundle.tasks)
    return BundleResult(bundle=bundle.id, worker=worker, results=(), not_run=not_run, reason=reason)


def run_bundle(bundle: Bundle, slot: Slot, cancellation: Cancellation) -> BundleResult:
    """Run the tasks of a bundle until all are done, time is short or it is cancelled.

    Where the node cannot start a task, that one and the rest are handed back as not run.
    """
    each_s = bundle.expected_s / max(1, len(bundle.tasks))
    results: list[TaskResult] = []
    reason = ""
    for number, task in enumerate(bundle.tasks):
        reason = (slot.time_left.refusal(each_s) if number else "") or cancellation.check()
        if not reason and cancellation.abandoned:  # the task that outlived its client was the last
            reason = "its engine gave it up"
        if reason:
            break
        result = _run_guarded(task, bundle.attempts[number], bundle, slot, cancellation)
        result = _timed_out_with_worker(result, slot.time_left)
        reason = _start_failure(result, slot, cancellation)
        if reason:
            slot.pauses.could_not_start(reason)
            break
        results.append(result)
        if result.kind != FailureKind.LOST:
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


def _start_failure(result: TaskResult, slot: Slot, cancellation: Cancellation) -> str:
    """Return why the node could not start a task, ``""`` if it did: what a cut, a warning or
    the walltime has ended is lost as well."""
    if result.kind != FailureKind.LOST or cancellation.check() or cancellation.abandoned:
        return ""
    if slot.shared.warning.at or slot.time_left.refusal(0):
        return ""
    return result.message or "this node cannot start tasks"


def _timed_out_with_worker(result: TaskResult, time_left: TimeLeft) -> TaskResult:
    """Return a task as timed out that went with its worker, having had all of a worker's time:
    as lost it would be begun again for ever."""
    if result.kind != FailureKind.LOST or not (
        why := time_left.too_short(result.started_at, result.wall_s)
    ):
        return result
    return replace(result, kind=FailureKind.TIMEOUT, message=why)


def _run_guarded(
    task: Task, attempt: int, bundle: Bundle, slot: Slot, cancellation: Cancellation
) -> TaskResult:
    """Run a task; a fault of the runner's own becomes that task's failure, not the worker's."""
    try:
        return _run_task(task, attempt, bundle, slot, cancellation)
    except Exception:
        trace = traceback.format_exc()
        message = "the runner itself failed: " + trace.strip().rpartition("\n")[2]
        return TaskResult(
            index=task.index, attempt=attempt, kind=FailureKind.ERROR, message=message, stderr=trace
        )


def _run_task(
    task: Task, attempt: int, bundle: Bundle, slot: Slot, cancellation: Cancellation
) -> TaskResult:
    settings = bundle.task_settings
    token = f"{slot.worker}/{slot.context.number}/{bundle.id}/{task.index}"
    try:
        context = prepare(task, attempt, settings, slot.context, token=token)
    except TaskStartError as error:
        return TaskResult(index=task.index, attempt=attempt, kind=error.kind, message=str(error))
    partials = (
        temporary_outputs_of(task, settings.run, token)
        if settings.atomic_outputs
        else TemporaryOutputs({})
    )
    task = partials.of(task)
    try:
        if task.argv:
            result = run_command(task, attempt, settings, context, cancellation, slot.shared)
        else:
            result = slot.interpreter.call(
                task, attempt, settings, context, cancellation, slot.shared
            )
        return partials.put_in_place(result)
    finally:
        context.remove()
