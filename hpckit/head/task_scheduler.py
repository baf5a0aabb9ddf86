"""The state of every task in the head: ready, sent, returned, or to be tried again.

Pure: no clock, no files, no engine. The loop asks it for bundles, tells it what came of them,
and writes the events that it returns. Whatever it decides is in those events, so that a
replay of the journal comes to the same state.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from hpckit.head.bundle_size import Sizer
from hpckit.model.failure_kind import FailureKind
from hpckit.model.plan import Plan
from hpckit.model.task import Task
from hpckit.protocol.bundle import Bundle
from hpckit.protocol.result import OK, BundleResult, TaskResult
from hpckit.run.events import NO_OUTPUT, Explained, Lost, Returned, Row
from hpckit.run.spool import Spooled
from hpckit.run.state import NOT_TASK_FAULT, WAITING, RunState

Blame = Literal["nobody", "slurm", "task"]
Store = Callable[[TaskResult], int]  # keeps what a task printed, returns its offset


@dataclass(frozen=True)
class ReadyTask:
    """A task that can be sent."""

    task: Task
    attempt: int = 1
    memory_mib: int = 0  # more than the bag's, after it ran out; 0: the bag's
    is_isolated: bool = False  # in a bundle of its own, because it may take its worker down


@dataclass
class SentBundle:
    """A bundle that an engine has."""

    bundle: Bundle
    ready: tuple[ReadyTask, ...]
    worker: str = ""  # once a runner has begun it


class TaskScheduler:
    """The tasks of one run, from the head's side.

    Args:
        plan: the run's plan: task settings, retries, number of tasks.
        state: the replayed state; every event that is returned has been applied to it.
        tasks: all tasks in the order of their indices, read lazily.
        incarnation: this head's number; it prefixes the bundles' ids.
        store: keeps a result's output.
    """

    def __init__(
        self,
        plan: Plan,
        state: RunState,
        tasks: Iterable[Task],
        incarnation: int,
        store: Store,
    ) -> None:
        self.state = state
        self.sizer = Sizer()
        self.sent: dict[str, SentBundle] = {}
        self._plan = plan
        self._incarnation = incarnation
        self._store = store
        self._not_yet_sent: Iterator[Task] = (t for t in tasks if state.status[t.index] == WAITING)
        self._to_retry: deque[ReadyTask] = deque()
        self._set_aside: dict[str, list[ReadyTask]] = {}  # by worker: tasks that may be poison
        self._number = 0
        self._most_memory_mib = plan.worker.memory_mib

    @property
    def finished(self) -> bool:
        """True if every task is done or has failed for good."""
        return self.state.left == 0

    @property
    def unsent(self) -> int:
        """Number of tasks that no engine has."""
        return self.state.left - sum(len(sent.ready) for sent in self.sent.values())

    @property
    def running(self) -> int:
        """Number of tasks that run now: one in each bundle that a runner has begun."""
        return sum(1 for sent in self.sent.values() if sent.worker)

    def next_bundle(self, slots: int) -> Bundle | None:
        """Return the next bundle for one of `slots` slots, None when nothing is ready."""
        picked: list[ReadyTask] = []
        size = self.sizer.size(self.unsent, slots)
        while len(picked) < size and (ready := self._next_ready()) is not None:
            if (ready.is_isolated or ready.memory_mib) and picked:
                self._to_retry.appendleft(ready)
                break
            picked.append(ready)
            if ready.is_isolated or ready.memory_mib:
                break
        if not picked:
            return None
        self._number += 1
        task_settings = self._plan.task_settings
        if picked[0].memory_mib:
            task_settings = replace(task_settings, memory_mib=picked[0].memory_mib)
        bundle = Bundle(
            id=f"{self._incarnation}-{self._number}",
            task_settings=task_settings,
            tasks=tuple(ready.task for ready in picked),
            attempts=tuple(ready.attempt for ready in picked),
            expected_s=self.sizer.expected_s(len(picked)),
        )
        self.sent[bundle.id] = SentBundle(bundle, tuple(picked))
        return bundle

    def began(self, bundle: str, worker: str) -> None:
        """Note that a worker's runner has taken up a bundle."""
        if bundle in self.sent:
            self.sent[bundle].worker = worker

    def bundles_of(self, worker: str) -> list[str]:
        """Return the bundles that run on a worker."""
        return [name for name, sent in self.sent.items() if sent.worker == worker]

    def returned(self, result: BundleResult, now: float) -> Returned | None:
        """Take a bundle back; return the event, or None when nobody waits for it any more."""
        sent = self.sent.pop(result.bundle, None)
        if sent is None:
            return None
        rows, missing = self._split_results(sent, result.results)
        self.sizer.observe([r.wall_s for r in result.results if r.ok])
        self._requeue(missing)
        event = Returned(
            t=now,
            bundle=result.bundle,
            worker=result.worker,
            rows=rows,
            handed_back=[ready.task.index for ready in missing],
            why=result.why_not_done,
        )
        self.state.apply(event, self._incarnation)
        return event

    def lost(
        self, bundle: str, why: str, spooled: Iterable[TaskResult], now: float, *, blame: Blame
    ) -> Lost | None:
        """Record the loss of a bundle whose worker left.

        Args:
            bundle: its id.
            why: what is known of the loss, as text.
            spooled: the results in the worker's spool.
            now: Unix time, seconds.
            blame: who may be to blame: ``nobody``; ``slurm`` says, later, whether the task that
                was running has killed its worker; or that ``task``, its worker being there.

        Returns:
            the event, or None when nobody waits for the bundle any more.
        """
        sent = self.sent.pop(bundle, None)
        if sent is None:
            return None
        rows, missing = self._split_results(sent, spooled)
        suspect: int | None = None
        if blame != "nobody" and sent.worker and missing:
            suspect = missing[0].task.index
            again = replace(missing[0], is_isolated=True, attempt=missing[0].attempt + 1)
            if self._kills(suspect) + 1 < self._plan.retries.poison_after:
                missing[0] = again
            elif blame == "task":
                rows.append(self._poison(missing.pop(0), sent.worker, why, now))
            else:  # set aside until Slurm says why its worker went
                self._set_aside.setdefault(sent.worker, []).append(again)
                missing.pop(0)
        self._requeue(missing)
        event = Lost(
            t=now,
            bundle=bundle,
            worker=sent.worker,
            why=why,
            rows=rows,
            indices=[ready.task.index for ready in missing],
            suspect=suspect,
        )
        self.state.apply(event, self._incarnation)
        return event

    def explained(self, worker: str, reason: str, now: float) -> list[Explained | Lost]:
        """Take Slurm's reason for a worker that left; decide on the task that may have
        killed it. Returns the events."""
        said = Explained(t=now, worker=worker, reason=reason)
        events: list[Explained | Lost] = [said]
        self.state.apply(said, self._incarnation)
        parked = self._set_aside.pop(worker, [])
        if reason in NOT_TASK_FAULT:
            self._requeue(parked)
        elif parked:
            rows = [self._poison(ready, worker, reason, now) for ready in parked]
            poison = Lost(t=now, bundle="", worker=worker, why=reason, rows=rows)
            self.state.apply(poison, self._incarnation)
            events.append(poison)
        return events

    def _next_ready(self) -> ReadyTask | None:
        if self._to_retry:
            return self._to_retry.popleft()
        task = next(self._not_yet_sent, None)
        if task is None:
            return None
        used = self.state.failures.get(task.index)
        kills = used[FailureKind.LOST] if used else 0
        attempt = 1 + (sum(used.values()) if used else 0)
        return ReadyTask(task, attempt, self._memory_mib(used), is_isolated=kills > 0)

    def _requeue(self, ready: Iterable[ReadyTask]) -> None:
        self._to_retry.extendleft(reversed(list(ready)))

    def _kills(self, index: int) -> int:
        used = self.state.failures.get(index)
        return used[FailureKind.LOST] if used else 0

    def _split_results(
        self, sent: SentBundle, results: Iterable[TaskResult]
    ) -> tuple[list[Row], list[ReadyTask]]:
        """Return the rows of `results`, and which tasks of the bundle have none.

        A task that will be tried again is put back here.
        """
        missing = {ready.task.index: ready for ready in sent.ready}
        rows = []
        for result in results:
            ready = missing.pop(result.index, None)
            if ready is None:
                continue  # not of this bundle, or twice
            if result.kind == FailureKind.LOST:
                missing[result.index] = ready
                continue
            used = self.state.failures.get(result.index)
            final = result.ok or self._plan.retries.is_used_up(result.kind, used)
            rows.append(Row.of(result, final=final, output_at=self._store(result)))
            if not final:
                self._to_retry.append(self._next_try(ready, result))
        return rows, [ready for ready in sent.ready if ready.task.index in missing]

    def _next_try(self, ready: ReadyTask, result: TaskResult) -> ReadyTask:
        memory = ready.memory_mib
        if result.kind == FailureKind.MEMORY:
            used = Counter(self.state.failures.get(ready.task.index, ()))
            used[FailureKind.MEMORY] += 1
            memory = self._memory_mib(used)
        return replace(ready, attempt=ready.attempt + 1, memory_mib=memory)

    def _memory_mib(self, failures: Counter[str] | None) -> int:
        """Return the memory of a task's next attempt; 0 is what the bag says."""
        declared_mib = self._plan.task_settings.memory_mib
        return self._plan.retries.memory_mib(declared_mib, failures, self._most_memory_mib)

    def _poison(self, ready: ReadyTask, worker: str, why: str, now: float) -> Row:
        kills = self._plan.retries.poison_after
        message = f"{kills} workers died while they ran it, the last of them {worker}: {why}"
        return Row(
            ready.task.index, ready.attempt, FailureKind.POISON, True, None, None, now,
            0.0, 0.0, 0.0, NO_OUTPUT, message,
        )  # fmt: skip


def credit_spools(
    plan: Plan,
    state: RunState,
    spooled: Iterable[Spooled],
    *,
    incarnation: int,
    store: Store,
    now: float,
) -> Iterator[Lost]:
    """Yield events for what runners finished under an earlier head and could not deliver.

    A failure is a recorded attempt too, as it would have been had it arrived.

    Args:
        plan: the run's plan: its retries.
        state: the replayed state; each event is applied to it.
        spooled: what the spools hold; it is gone through once.
        incarnation: this head's number.
        store: keeps a result's output.
        now: Unix time, seconds.
    """
    news = [each for each in spooled if _is_news(state, each)]
    news.sort(key=lambda each: each.result.kind != OK)  # a success counts before any failure
    taken: set[int] = set()
    found: dict[tuple[str, str], list[TaskResult]] = {}
    for each in news:
        if each.result.index not in taken:
            taken.add(each.result.index)
            found.setdefault((each.worker, each.bundle), []).append(each.result)
    for (worker, bundle), results in found.items():
        rows = []
        for result in results:
            used = state.failures.get(result.index)
            final = result.ok or plan.retries.is_used_up(result.kind, used)
            rows.append(Row.of(result, final=final, output_at=store(result)))
        why = "its head ended before the bundle came back"
        event = Lost(t=now, bundle=bundle, worker=worker, why=why, rows=rows)
        state.apply(event, incarnation)
        yield event


def failures_unseen(state: RunState, spooled: Iterable[Spooled]) -> set[int]:
    """Return the tasks that failed under an earlier head, which only the spools know."""
    failed: set[int] = set()
    done: set[int] = set()
    for each in spooled:
        if _is_news(state, each):
            (done if each.result.ok else failed).add(each.result.index)
    return failed - done


def _is_news(state: RunState, spooled: Spooled) -> bool:
    """Return True if the journal does not know a spooled result yet.

    Spools hold what was delivered, too. A failure is news if it is of a later attempt than the
    last that was recorded, and began later: numbers of attempts alone are given again when Slurm
    has cleared a task of its worker's end.
    """
    result = spooled.result
    if not 0 <= result.index < state.tasks or state.status[result.index] != WAITING:
        return False
    reset_at = state.reset_at.get(result.index, 0)
    if int(spooled.bundle.partition("-")[0]) < reset_at:
        return False  # from before a `resume` that wants it run again
    if result.kind in (OK, FailureKind.LOST):
        return result.kind == OK
    last = state.last.get(result.index)
    if last is None or last.incarnation < reset_at:
        return True
    return result.attempt > last.row.attempt and round(result.started_at, 3) > last.row.started_at
