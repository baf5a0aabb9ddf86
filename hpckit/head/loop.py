"""The loop of the head: bundles out, results in, every event into the journal.

`python -m hpckit.head.loop RUN_DIR` is one incarnation. The supervisor starts it, and starts
another when it dies. Its exit codes: 0 all done, 1 some tasks failed for good, 3 an engine or
storage failed, 75 told to go with everything flushed, so that another can go on
(`hpckit.head.exits`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hpckit.engines.choose import make_engine
from hpckit.engines.protocol import Engine
from hpckit.engines.protocol import Lost as EngineLost
from hpckit.errors import EngineError, HpckitError, SchedulerError
from hpckit.head import exits
from hpckit.head.door import Began, Came, Door, Drains, Went
from hpckit.head.elasticity import Elasticity
from hpckit.head.fleet import Work
from hpckit.head.ledger import Ledger, credit_spools
from hpckit.head.reasons import Reasons, ask_slurm
from hpckit.node.address import candidate_addresses
from hpckit.node.door import read_key
from hpckit.node.log import say
from hpckit.run.address import Address, publish_address, withdraw_address
from hpckit.run.events import Ended, Event, Joined, Left, Noted
from hpckit.run.jobs import read_jobs
from hpckit.run.journal import FencedError, JournalWriter, load_state, open_journal
from hpckit.run.output import OutputWriter
from hpckit.run.resume import read_request, tasks_again
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import Counts, Snapshot, write_snapshot
from hpckit.run.spool import read_spool, read_spools
from hpckit.run.tasks import read_tasks
from hpckit.slurm.sbatch import scancel
from hpckit.spec.task import Bundle, TaskResult

POLL_S: Final = 0.1  # longest wait for the engine; Work Queue's wait holds the GIL
SNAPSHOT_S: Final = 1.0
DOUBT_S: Final = 1.0  # until the door has told, too, what became of a bundle's worker
FAREWELL_S: Final = 15.0  # how long workers may take to leave at the end
_SPARE_BUNDLES: Final = 2  # beyond one per slot, so that a free slot finds one at once


class Head:
    """One incarnation of a run's head. Use `run`."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.plan = run_dir.read_plan()
        self.told_to_go = False
        self._hosts = candidate_addresses(self.plan)
        self._nonce = secrets.token_hex(8)
        self._pending: list[Event] = []
        self._doubtful: deque[tuple[float, EngineLost]] = deque()
        self._snapshot_at = 0.0
        self._journal, self._output, self._ledger = self._take_over()
        self._door = Door(
            run=self.plan.run,
            nonce=self._nonce,
            key=read_key(run_dir),
            ports=self.plan.port_range,
        )
        self._elasticity = Elasticity(run_dir, self.plan)
        self._reasons = Reasons(ask_slurm(self.plan.slurm_bin))
        self._engine: Engine = make_engine(run_dir, self.plan, self._hosts[0])

    def run(self) -> int:
        """Work until every task has ended or `told_to_go`; return the exit code."""
        try:
            published = self._engine.start()
            self._publish(published)
            while not (self._ledger.finished or self.told_to_go or self._cut_short()):
                self._round()
            return self._finish()
        except FencedError:
            raise  # whatever this head would write no longer counts
        except HpckitError as error:
            self._stopped(str(error))
            raise
        finally:
            self._engine.stop()
            self._reasons.close()
            self._elasticity.close()
            self._door.close()
            self._journal.close()
            self._output.close()

    def _take_over(self) -> tuple[JournalWriter, OutputWriter, Ledger]:
        """Fence the head before, replay what it wrote, credit what the spools hold."""
        state = load_state(self.run_dir, self.plan.tasks)
        request = read_request(self.run_dir, state)
        again = tasks_again(request, state)
        opened = {
            "run": self.plan.run,
            "nonce": self._nonce,
            "job_id": os.environ.get("SLURM_JOB_ID", ""),
            "node": os.environ.get("SLURMD_NODENAME", os.uname().nodename),
            "pid": os.getpid(),
            "t": time.time(),
            "resume": request.id if request else "",
            "again": again,
        }
        journal = open_journal(self.run_dir, **opened)
        state = load_state(
            self.run_dir, self.plan.tasks
        )  # again: nothing can be added before it now
        number = journal.incarnation
        output = OutputWriter(self.run_dir, number)
        spools = read_spools(self.run_dir)
        credited = list(credit_spools(state, spools, number, output.append, time.time()))
        if credited:
            journal.append(*credited)
        tasks = read_tasks(self.run_dir)
        say(
            f"head {number} of run {self.plan.run}: {state.done} done, {state.failed} failed, "
            f"{state.left} to do" + (f", {len(again)} of them again" if again else "")
        )
        return journal, output, Ledger(self.plan, state, tasks, number, output.append)

    def _publish(self, engine: dict[str, object]) -> None:
        address = Address(
            run=self.plan.run,
            backend=self.plan.backend,
            incarnation=self._journal.incarnation,
            nonce=self._nonce,
            job_id=os.environ.get("SLURM_JOB_ID", ""),
            node=os.environ.get("SLURMD_NODENAME", os.uname().nodename),
            pid=os.getpid(),
            hosts=tuple(self._hosts),
            door_port=self._door.port,
            engine=engine,
            published_at=time.time(),
        )
        publish_address(self.run_dir, address)
        say(f"listening for workers at {self._hosts[0]} port {self._door.port}")

    def _round(self) -> None:
        self._watch_door(0.0)
        self._feed()
        for event in self._engine.poll(POLL_S):
            if isinstance(event, EngineLost):
                self._doubtful.append((time.monotonic() + DOUBT_S, event))
            else:
                self._note(self._ledger.returned(event.result, time.time()))
        self._settle_doubts()
        self._hear_slurm()
        self._flush()

    def _watch_door(self, timeout_s: float) -> None:
        for event in self._door.poll(timeout_s):
            if isinstance(event, Came | Went | Drains):
                self._elasticity.changed()
            match event:
                case Came(worker):
                    say(f"worker {worker.name} joined: {worker.cores} cores on {worker.node}")
                    self._note(
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
                case Began(worker, bundle):
                    self._ledger.began(bundle, worker)
                case Drains(worker, why):
                    say(f"worker {worker} is about to leave: {why}")
                case Went():
                    self._went(event)

    def _hear_slurm(self) -> None:
        """Take Slurm's reasons for workers that went; keep the array at its size."""
        for worker, reason in self._reasons.poll():
            say(f"worker {worker} went because of {reason}")
            for said in self._ledger.explained(worker, reason, time.time()):
                self._note(said)
        if not self._elasticity.active:
            return
        here = [w for name, w in self._door.workers.items() if not self._door.drains(name)]
        sent = self._ledger.sent.values()
        settled = self._ledger.unsent == 0 and all(bundle.worker for bundle in sent)
        busy = {bundle.worker for bundle in sent}
        idle = [worker.name for worker in here if settled and worker.name not in busy]
        work = Work(
            tasks=self._ledger.state.left,
            slots=self._slots_of(self.plan.worker.cores),
            mean_s=self._ledger.sizer.mean_s,
        )
        dismissed, notes = self._elasticity.look({w.job_id for w in here}, idle, work)
        for name in dismissed:
            self._door.say({"stop": "no work is left for it"}, name)
        for text in notes:
            say(text)
            self._note(Noted(t=time.time(), text=text))

    def _settle_doubts(self) -> None:
        """Decide on bundles that the engine gave up a moment ago.

        A worker that was warned loses its engine first; it finishes what it can, and its spool
        vouches for that once it has left (`_went`). Until then nothing is handed out again.
        """
        while self._doubtful and self._doubtful[0][0] <= time.monotonic():
            _, lost = self._doubtful.popleft()
            sent = self._ledger.sent.get(lost.bundle)
            if sent and not self._door.drains(sent.worker):
                self._lose(lost.bundle, lost.why, blame=True)

    def _went(self, event: Went) -> None:
        say(f"worker {event.worker} {'left' if event.orderly else 'was lost'}: {event.why}")
        left = Left(t=time.time(), worker=event.worker, orderly=event.orderly, why=event.why)
        self._note(left)
        self._reasons.went(self._ledger.state.workers[event.worker].joined)
        for bundle in self._ledger.bundles_of(event.worker):
            self._engine.cancel(bundle)
            self._lose(bundle, event.why, blame=not event.orderly)

    def _lose(self, bundle: str, why: str, *, blame: bool) -> None:
        sent = self._ledger.sent.get(bundle)
        spooled: Iterable[TaskResult] = ()
        if sent and sent.worker:
            held = read_spool(self.run_dir, sent.worker)
            spooled = [record.result for record in held if record.bundle == bundle]
        self._note(self._ledger.lost(bundle, why, spooled, time.time(), blame=blame))

    def _feed(self) -> None:
        slots = self._slots()
        while slots and len(self._ledger.sent) < slots + _SPARE_BUNDLES + slots // 4:
            bundle: Bundle | None = self._ledger.next_bundle(slots)
            if bundle is None:
                return
            self._engine.submit(bundle)

    def _slots(self) -> int:
        here = [w for name, w in self._door.workers.items() if not self._door.drains(name)]
        return sum(self._slots_of(worker.cores) for worker in here)

    def _slots_of(self, cores: int) -> int:
        return max(1, cores // max(1, self.plan.surroundings.cores))

    def _note(self, event: Event | None) -> None:
        if event is not None:
            self._pending.append(event)
            if isinstance(event, Joined | Left | Noted):
                self._ledger.state.apply(event, self._journal.incarnation)

    def _flush(self) -> None:
        if self._pending:
            self._journal.append(*self._pending)
            self._pending.clear()
        now = time.monotonic()
        if now - self._snapshot_at >= SNAPSHOT_S:
            self._snapshot_at = now
            self._write_snapshot()

    def _write_snapshot(self) -> None:
        state, running = self._ledger.state, self._ledger.running
        counts = Counts(
            done=state.done,
            failed=state.failed,
            running=running,
            waiting=state.left - running,
        )
        write_snapshot(
            self.run_dir,
            Snapshot(
                run=self.plan.run,
                incarnation=self._journal.incarnation,
                journal_bytes=self._journal.size,
                counts=counts,
                at=time.time(),
            ),
        )

    def _cut_short(self) -> str:
        """Return why the run ends before all tasks have, ``""`` if it does not."""
        if self.run_dir.cancel.exists():
            return "it was cancelled"
        failed, most = self._ledger.state.failed, self.plan.max_failures
        if most and failed >= most:
            return f"{failed} tasks have failed, and --max-failures is {most}"
        return ""

    def _finish(self) -> int:
        """Write the last event, send the workers home, and say what it came to."""
        withdraw_address(self.run_dir)
        state = self._ledger.state
        if self.told_to_go and not self._ledger.finished:
            self._flush()
            self._write_snapshot()
            say(f"told to go; all is flushed, {state.left} tasks are left")
            return exits.FLUSHED
        word = "failed" if state.failed else "done"
        why = "" if self._ledger.finished else self._cut_short()
        if self.run_dir.cancel.exists() and not self._ledger.finished:
            word = "cancelled"
        ended = Ended(t=time.time(), state=word, why=why)
        state.apply(ended, self._journal.incarnation)
        self._pending.append(ended)
        self._flush()
        self._write_snapshot()
        counts = f"{state.done} done, {state.failed} failed, {state.left} left"
        say(f"run {self.plan.run} is {word}: {counts}" + (f"; {why}" if why else ""))
        self._cancel_waiting_workers()
        self._send_home(f"the run is {word}")
        return exits.DONE if word == "done" else exits.TASKS_FAILED

    def _cancel_waiting_workers(self) -> None:
        """Take back worker jobs that Slurm has not started: there is nothing to join."""
        ids = [job.job_id for job in read_jobs(self.run_dir) if job.role == "workers"]
        try:
            scancel(ids, slurm_bin=self.plan.slurm_bin, state="PENDING")
        except SchedulerError as error:
            say(f"worker jobs that still wait could not be cancelled: {error.message}")

    def _stopped(self, why: str) -> None:
        """Leave word why the run cannot go on, where that can still be written."""
        with contextlib.suppress(HpckitError, OSError):
            withdraw_address(self.run_dir)
            self._pending.append(Ended(t=time.time(), state="stopped", why=why))
            self._flush()
            self._write_snapshot()

    def _send_home(self, why: str) -> None:
        deadline = time.monotonic() + FAREWELL_S
        self._door.say({"stop": why})
        while self._door.workers and time.monotonic() < deadline:
            with contextlib.suppress(EngineError):  # the run is over, whatever the engine says
                self._watch_door(0.05)
                self._engine.poll(0.05)  # a worker may still be handing something over


def main(argv: list[str]) -> int:
    """Run one incarnation for the run directory `argv[0]`."""
    try:
        head = Head(RunDir(Path(argv[0])))

        def go(signum: int, _frame: object) -> None:
            head.told_to_go = True

        # Slurm signals every process of the step, this one and its supervisor alike.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, go)
        return head.run()
    except FencedError as error:
        say(str(error))
        return exits.BROKEN
    except HpckitError as error:
        print(f"hpckit: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return exits.BROKEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
