"""Who works for this head, and what becomes of the bundles of those that go."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

from hpckit.engines.protocol import Engine
from hpckit.engines.protocol import Lost as EngineLost
from hpckit.errors import EngineError
from hpckit.head.door import Began, Came, Door, Drains, Went
from hpckit.head.elasticity import ALONE_S, Elasticity
from hpckit.head.fleet import Work
from hpckit.head.ledger import Blame, Ledger
from hpckit.head.reasons import Reasons, ask_slurm
from hpckit.head.record import Record
from hpckit.node.log import say
from hpckit.node.processes import allow_open_files
from hpckit.run.events import Joined, Left, Noted
from hpckit.run.rundir import RunDir
from hpckit.run.spool import read_spool
from hpckit.spec.plan import Plan
from hpckit.spec.task import BundleResult
from hpckit.spec.worker import WorkerInfo, slots_for

OWN_FILES: Final = 1024  # open at a time, beside those of each worker
FILES_OF_EACH: Final = 4  # its connections to door and engine, and room for what comes
MOST_STILLBORN: Final = 20  # bundles in a row that nobody began, beyond two per slot
MOST_UNFIT: Final = 5  # bundles in a row that one worker gives back without having run a task
DOUBT_S: Final = 1.0  # until the door has told, too, what became of a bundle's worker
#: The same for one that was begun: its task may take 2 s over its end, and must not meet its like.
ENDING_S: Final = 3.0


class Members:
    """The workers, as door, engine and Slurm tell of them.

    Args:
        run_dir: the run's files.
        plan: the run's plan.
        door: where workers report; closed by its owner.
        engine: carries the bundles.
        ledger: which bundle is where.
        record: takes the events.
    """

    def __init__(
        self, run_dir: RunDir, plan: Plan, *, door: Door, engine: Engine, ledger: Ledger,
        record: Record,
    ) -> None:  # fmt: skip
        self._run_dir = run_dir
        self._plan = plan
        self._door = door
        self._engine = engine
        self._ledger = ledger
        self._record = record
        self._never_begun = 0
        self._unfit: Counter[str] = Counter()  # bundles in a row that came back undone, by worker
        self._alone_since = time.monotonic()
        self._doubtful: list[tuple[float, EngineLost]] = []  # and when to decide
        self._elasticity = Elasticity(run_dir, plan)
        self._reasons = Reasons(ask_slurm(plan.slurm_bin))
        self._allow_files_of(max(plan.max_workers, plan.slots))  # the pool has one for each slot

    @property
    def slots(self) -> int:
        """How many bundles the workers that stay can run at a time."""
        around = self._plan.surroundings
        return sum(
            slots_for(worker.cores, worker.memory_mib, worker.gpus, around)
            for worker in self._staying()
        )

    @property
    def slots_coming(self) -> int:
        """How many slots the run's workers have as planned, beyond those that are here."""
        return max(0, self._plan.workers * self._plan.slots - self.slots)

    @property
    def anybody(self) -> bool:
        """Whether a worker is still here."""
        return bool(self._door.workers)

    def watch_door(self, timeout_s: float) -> None:
        """Take what the door has to tell, waiting at most so long."""
        for event in self._door.poll(timeout_s):
            match event:
                case Came(worker):
                    self._came(worker)
                case Began(name, bundle):
                    self._ledger.began(bundle, name)
                    self._never_begun = 0
                    self._elasticity.began(self._joined(name).job_id)
                case Drains(name, why):
                    say(f"worker {name} is about to leave: {why}")
                    self._elasticity.went(self._joined(name).job_id)
                case Went():
                    self._went(event)

    def doubt(self, lost: EngineLost) -> None:
        """Note a bundle that the engine gave up; `settle_doubts` decides on it."""
        sent = self._ledger.sent.get(lost.bundle)
        wait_s = ENDING_S if sent and sent.worker else DOUBT_S
        self._doubtful.append((time.monotonic() + wait_s, lost))

    def heed(self, result: BundleResult) -> None:
        """Send a worker home that runs nothing, and gives back one bundle after the other.

        The temporary directory of its node is full, say, or too little of its time is left: as it
        is free first, it would be sent every task.
        """
        worker = result.worker
        why = result.why_undone
        if any(found.kind != "lost" for found in result.results) or not why:
            self._unfit.pop(worker, None)
            return
        self._unfit[worker] += 1
        busy = self._ledger.bundles_of(worker) or self._door.drains(worker)
        if self._unfit[worker] < MOST_UNFIT or busy:
            return
        del self._unfit[worker]
        text = f"worker {worker} is sent home, all that it was sent came back: {why}"
        say(text)
        self._record.note(Noted(t=time.time(), text=text))
        self._door.say({"stop": why}, worker)

    def settle_doubts(self) -> None:
        """Decide on bundles that the engine gave up a moment ago.

        A worker that was warned loses its engine first; it finishes what it can, and its spool
        vouches for that once it has left (`_went`). Until then nothing is handed out again.
        """
        settled: dict[str, list[EngineLost]] = {}  # by worker
        now = time.monotonic()
        due = [lost for at, lost in self._doubtful if at <= now]
        self._doubtful = [(at, lost) for at, lost in self._doubtful if at > now]
        for lost in due:
            sent = self._ledger.sent.get(lost.bundle)
            if sent and not sent.worker:
                self._stillborn(lost.why)
            if sent and not self._door.drains(sent.worker):
                settled.setdefault(sent.worker, []).append(lost)
        for worker, losses in settled.items():
            self._lose(worker, {lost.bundle: lost.why for lost in losses}, blame="task")

    def _stillborn(self, why: str) -> None:
        """Count a bundle that came back without any runner having begun it.

        Raises:
            EngineError: so many in a row that trying on would go on for ever.
        """
        self._never_begun += 1
        if self._never_begun > MOST_STILLBORN + 2 * self.slots:
            raise EngineError(
                f"{self._never_begun} bundles in a row came back without having begun: {why}",
                hint=f"The workers' words are in {self._run_dir.logs}.",
            )

    def hear_slurm(self) -> None:
        """Take Slurm's reasons for workers that went; keep the array at its size."""
        for worker, reason in self._reasons.poll():
            say(f"worker {worker} went because of {reason}")
            for said in self._ledger.explained(worker, reason, time.time()):
                self._record.note(said)
        if not self._elasticity.active:
            self._check_alone()
            return
        here = self._staying()
        work = Work(
            tasks=self._ledger.state.left,
            slots=self._plan.slots,
            mean_s=self._ledger.sizer.mean_s,
        )
        joined = {worker.job_id for worker in here}
        dismissed, notes = self._elasticity.look(joined, self._idle(here), work)
        for name in dismissed:
            self._door.say({"stop": "no work is left for it"}, name)
        for text in notes:
            say(text)
            self._record.note(Noted(t=time.time(), text=text))

    def _check_alone(self) -> None:
        """Give up when nobody has been here for long: an allocation gets no other workers.

        Raises:
            EngineError: it is so.
        """
        if self.anybody:
            self._alone_since = time.monotonic()
        elif time.monotonic() > self._alone_since + ALONE_S:
            raise EngineError(
                f"no worker has been here for {ALONE_S / 60:.0f} minutes, and none will come",
                hint=f"The workers' words are in {self._run_dir.logs}; then: "
                f"hpckit resume {self._plan.run}",
            )

    def dismiss_all(self, why: str) -> None:
        """Tell every worker to leave."""
        self._door.say({"stop": why})

    def close(self) -> None:
        """Ask Slurm no more; idempotent."""
        self._reasons.close()
        self._elasticity.close()

    def _came(self, worker: WorkerInfo) -> None:
        self._allow_files_of(len(self._door.workers))  # more may have been added than planned
        say(f"worker {worker.name} joined: {worker.cores} cores on {worker.node}")
        self._reasons.came(worker)
        self._elasticity.came(worker.job_id)
        self._record.note(
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

    def _went(self, event: Went) -> None:
        say(f"worker {event.worker} {'left' if event.orderly else 'was lost'}: {event.why}")
        left = Left(t=time.time(), worker=event.worker, orderly=event.orderly, why=event.why)
        self._record.note(left)
        joined = self._joined(event.worker)
        self._elasticity.went(joined.job_id)
        self._reasons.went(joined)
        bundles = self._ledger.bundles_of(event.worker)
        for bundle in bundles:
            self._engine.cancel(bundle)
        blame: Blame = "slurm" if joined.job_id else "task"  # outside of a job Slurm says nothing
        self._lose(
            event.worker,
            dict.fromkeys(bundles, event.why),
            blame="nobody" if event.orderly else blame,
        )

    def _lose(self, worker: str, bundles: Mapping[str, str], *, blame: Blame) -> None:
        """Account for the bundles of a worker, each with what is known of its loss.

        A spool may be long, so that it is read once for all of them.
        """
        spooled = read_spool(self._run_dir, worker, bundles) if worker and bundles else {}
        for bundle, why in bundles.items():
            results = spooled.get(bundle, ())
            lost = self._ledger.lost(bundle, why, results, time.time(), blame=blame)
            self._record.note(lost)

    @staticmethod
    def _allow_files_of(count: int) -> None:
        allow_open_files(OWN_FILES + FILES_OF_EACH * count)

    def _joined(self, worker: str) -> Joined:
        return self._ledger.state.workers[worker].joined

    def _staying(self) -> list[WorkerInfo]:
        return [w for name, w in self._door.workers.items() if not self._door.drains(name)]

    def _idle(self, here: list[WorkerInfo]) -> list[str]:
        """Return who has nothing to do; nobody while a bundle is on its way to somebody."""
        sent = self._ledger.sent.values()
        if self._ledger.unsent or not all(bundle.worker for bundle in sent):
            return []
        busy = {bundle.worker for bundle in sent}
        return [worker.name for worker in here if worker.name not in busy]
