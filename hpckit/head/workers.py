"""The workers of this head, and the bundles of those that leave."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

from hpckit.common.log import say
from hpckit.common.processes import allow_open_files
from hpckit.engines.base import Engine
from hpckit.engines.base import Lost as EngineLost
from hpckit.errors import EngineError
from hpckit.head.autoscaler import NO_WORKER_S, Autoscaler
from hpckit.head.event_log import EventLog
from hpckit.head.exit_reasons import ExitReasons, ask_slurm
from hpckit.head.scaling_policy import WorkLeft
from hpckit.head.task_scheduler import Blame, TaskScheduler
from hpckit.head.worker_server import (
    BundleStarted,
    WorkerDraining,
    WorkerJoined,
    WorkerLeft,
    WorkerServer,
)
from hpckit.model.failure_kind import is_task_fault
from hpckit.model.plan import Plan
from hpckit.model.worker import WorkerInfo, slots_for
from hpckit.protocol.result import BundleResult
from hpckit.run.events import Joined, Left, Noted
from hpckit.run.rundir import RunDir
from hpckit.run.spool import read_spool

OWN_FILES: Final = 1024  # open at a time, beside those of each worker
FILES_OF_EACH: Final = 4  # its connections to head and engine, and some to spare
MAX_NEVER_STARTED: Final = 20  # bundles in a row that nobody began, beyond two per slot
MAX_RETURNED_UNDONE: Final = (
    5  # bundles in a row that one worker gives back without having run a task
)
DECIDE_LOST_S: Final = 1.0  # until the worker server knows, too, what became of a bundle's worker
#: The same for one that was begun: its task may take 2 s over its end, and must not meet its like.
DECIDE_LOST_STARTED_S: Final = 3.0


class Workers:
    """The workers, as worker server, engine and Slurm report them.

    Args:
        run_dir: the run's files.
        plan: the run's plan.
        worker_server: where workers join; closed by its owner.
        engine: carries the bundles.
        task_scheduler: knows which bundle is where.
        event_log: takes the events.
    """

    def __init__(
        self, run_dir: RunDir, plan: Plan, *, worker_server: WorkerServer, engine: Engine,
        task_scheduler: TaskScheduler, event_log: EventLog,
    ) -> None:  # fmt: skip
        self._run_dir = run_dir
        self._plan = plan
        self._worker_server = worker_server
        self._engine = engine
        self._task_scheduler = task_scheduler
        self._event_log = event_log
        self._never_started = 0
        self._returned_undone: Counter[str] = (
            Counter()
        )  # bundles in a row that came back undone, by worker
        self._no_worker_since = time.monotonic()
        self._lost_undecided: list[tuple[float, EngineLost]] = []  # and when to decide
        self._autoscaler = Autoscaler(run_dir, plan)
        self._exit_reasons = ExitReasons(ask_slurm(plan.slurm_bin))
        self._allow_files_of(max(plan.max_workers, plan.slots))  # the pool has one for each slot

    @property
    def slots(self) -> int:
        """Number of bundles that the workers that stay can run at a time."""
        settings = self._plan.task_settings
        return sum(
            slots_for(worker.cores, worker.memory_mib, worker.gpus, settings)
            for worker in self._staying()
        )

    @property
    def slots_coming(self) -> int:
        """Number of slots that the run's planned workers have beyond those that are here."""
        return max(0, self._plan.workers * self._plan.slots - self.slots)

    @property
    def any_here(self) -> bool:
        """True if a worker is still here."""
        return bool(self._worker_server.workers)

    def poll_workers(self, timeout_s: float) -> None:
        """Take the events of the worker server, waiting at most so long."""
        for event in self._worker_server.poll(timeout_s):
            match event:
                case WorkerJoined(worker):
                    self._worker_joined(worker)
                case BundleStarted(name, bundle):
                    self._task_scheduler.began(bundle, name)
                    self._never_started = 0
                    self._autoscaler.began(self._joined(name).job_id)
                case WorkerDraining(name, why):
                    say(f"worker {name} is about to leave: {why}")
                    self._autoscaler.worker_left(self._joined(name).job_id)
                case WorkerLeft():
                    self._worker_left(event)

    def note_lost_bundle(self, lost: EngineLost) -> None:
        """Note a bundle that the engine gave up; `decide_lost_bundles` decides on it."""
        sent = self._task_scheduler.sent.get(lost.bundle)
        wait_s = DECIDE_LOST_STARTED_S if sent and sent.worker else DECIDE_LOST_S
        self._lost_undecided.append((time.monotonic() + wait_s, lost))

    def drop_if_failing(self, result: BundleResult) -> None:
        """Tell a worker to leave that runs nothing, and gives back one bundle after the other.

        Perhaps the temporary directory of its node is full, or too little of its time is left. As
        it is always free first, it would be sent every task.
        """
        worker = result.worker
        why = result.why_not_done
        if any(found.ok or is_task_fault(found.kind) for found in result.results) or not why:
            self._returned_undone.pop(worker, None)
            return
        self._returned_undone[worker] += 1
        busy = self._task_scheduler.bundles_of(worker) or self._worker_server.drains(worker)
        if self._returned_undone[worker] < MAX_RETURNED_UNDONE or busy:
            return
        del self._returned_undone[worker]
        text = f"worker {worker} is told to leave, all that it was sent came back: {why}"
        say(text)
        self._event_log.note(Noted(t=time.time(), text=text))
        self._worker_server.say({"stop": why}, worker)

    def decide_lost_bundles(self) -> None:
        """Decide on bundles that the engine gave up a moment ago.

        A worker that was warned loses its engine first; it finishes what it can, and its spool
        has the results once it has left (`_worker_left`). Until then nothing is handed out again.
        """
        settled: dict[str, list[EngineLost]] = {}  # by worker
        now = time.monotonic()
        due = [lost for at, lost in self._lost_undecided if at <= now]
        self._lost_undecided = [(at, lost) for at, lost in self._lost_undecided if at > now]
        for lost in due:
            sent = self._task_scheduler.sent.get(lost.bundle)
            if sent and not sent.worker:
                self._count_never_started(lost.why)
            if sent and not self._worker_server.drains(sent.worker):
                settled.setdefault(sent.worker, []).append(lost)
        for worker, losses in settled.items():
            self._lose(worker, {lost.bundle: lost.why for lost in losses}, blame="task")

    def _count_never_started(self, why: str) -> None:
        """Count a bundle that came back without any runner having begun it.

        Raises:
            EngineError: so many in a row that trying on would go on for ever.
        """
        self._never_started += 1
        if self._never_started > MAX_NEVER_STARTED + 2 * self.slots:
            raise EngineError(
                f"{self._never_started} bundles in a row came back without having begun: {why}",
                hint=f"The workers' logs are in {self._run_dir.logs}.",
            )

    def look_at_slurm(self) -> None:
        """Take Slurm's reasons for workers that went; keep the array at its size."""
        for worker, reason in self._exit_reasons.poll():
            say(f"worker {worker} left because of {reason}")
            for said in self._task_scheduler.explained(worker, reason, time.time()):
                self._event_log.note(said)
        if not self._autoscaler.active:
            self._check_no_worker()
            return
        here = self._staying()
        work = WorkLeft(
            tasks=self._task_scheduler.state.left,
            slots=self._plan.slots,
            mean_s=self._task_scheduler.sizer.mean_s,
        )
        joined = {worker.job_id for worker in here}
        dismissed, notes = self._autoscaler.look(joined, self._idle(here), work)
        for name in dismissed:
            self._worker_server.say({"stop": "no work is left for it"}, name)
        for text in notes:
            say(text)
            self._event_log.note(Noted(t=time.time(), text=text))

    def _check_no_worker(self) -> None:
        """Stop the run when no worker has been here for long: an allocation gets no others.

        Raises:
            EngineError: it is so.
        """
        if self.any_here:
            self._no_worker_since = time.monotonic()
        elif time.monotonic() > self._no_worker_since + NO_WORKER_S:
            raise EngineError(
                f"no worker has been here for {NO_WORKER_S / 60:.0f} minutes, and none will come",
                hint=f"The workers' logs are in {self._run_dir.logs}; then: "
                f"hpckit resume {self._plan.run}",
            )

    def stop_all(self, why: str) -> None:
        """Tell every worker to leave."""
        self._worker_server.say({"stop": why})

    def close(self) -> None:
        """Ask Slurm no more; idempotent."""
        self._exit_reasons.close()
        self._autoscaler.close()

    def _worker_joined(self, worker: WorkerInfo) -> None:
        self._allow_files_of(
            len(self._worker_server.workers)
        )  # more may have been added than planned
        say(f"worker {worker.name} joined: {worker.cores} cores on {worker.node}")
        self._exit_reasons.worker_joined(worker)
        self._autoscaler.worker_joined(worker.job_id)
        self._event_log.note(
            Joined(
                t=time.time(),
                worker=worker.name,
                job_id=worker.job_id,
                node=worker.node,
                cores=worker.cores,
                memory_mib=worker.memory_mib,
                ends_at=worker.ends_at,
            )
        )

    def _worker_left(self, event: WorkerLeft) -> None:
        say(f"worker {event.worker} {'left' if event.orderly else 'was lost'}: {event.why}")
        left = Left(t=time.time(), worker=event.worker, orderly=event.orderly, why=event.why)
        self._event_log.note(left)
        joined = self._joined(event.worker)
        self._autoscaler.worker_left(joined.job_id)
        self._exit_reasons.worker_left(joined)
        bundles = self._task_scheduler.bundles_of(event.worker)
        for bundle in bundles:
            self._engine.cancel(bundle)
        blame: Blame = "slurm" if joined.job_id else "task"  # outside of a job Slurm says nothing
        self._lose(
            event.worker,
            dict.fromkeys(bundles, event.why),
            blame="nobody" if event.orderly else blame,
        )

    def _lose(self, worker: str, bundles: Mapping[str, str], *, blame: Blame) -> None:
        """Record the loss of a worker's bundles, each with what is known of it.

        A spool may be long, so that it is read once for all of them.
        """
        spooled = read_spool(self._run_dir, worker, bundles) if worker and bundles else {}
        for bundle, why in bundles.items():
            results = spooled.get(bundle, ())
            lost = self._task_scheduler.lost(bundle, why, results, time.time(), blame=blame)
            self._event_log.note(lost)

    @staticmethod
    def _allow_files_of(count: int) -> None:
        allow_open_files(OWN_FILES + FILES_OF_EACH * count)

    def _joined(self, worker: str) -> Joined:
        return self._task_scheduler.state.workers[worker].joined

    def _staying(self) -> list[WorkerInfo]:
        return [
            w
            for name, w in self._worker_server.workers.items()
            if not self._worker_server.drains(name)
        ]

    def _idle(self, here: list[WorkerInfo]) -> list[str]:
        """Return the workers that have nothing to do; none while a bundle is on its way to one."""
        sent = self._task_scheduler.sent.values()
        if self._task_scheduler.unsent or not all(bundle.worker for bundle in sent):
            return []
        busy = {bundle.worker for bundle in sent}
        return [worker.name for worker in here if worker.name not in busy]
