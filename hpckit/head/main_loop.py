"""The loop of the head: bundles out, results in, every event into the journal.

`python -m hpckit.head.main_loop RUN_DIR` is one incarnation. The supervisor starts it, and starts
another when it dies. Its exit codes: 0 all done, 1 some tasks failed for good, 3 an engine or
storage failed, 75 told to go with everything flushed, so that another can go on
(`hpckit.head.exit_codes`).
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from hpckit.common.log import say
from hpckit.engines.base import Engine
from hpckit.engines.base import Lost as EngineLost
from hpckit.engines.registry import make_engine
from hpckit.errors import HpckitError
from hpckit.head import exit_codes
from hpckit.head.bundle_size import bundles_held
from hpckit.head.event_log import EventLog
from hpckit.head.recovery import head_identity, publish_head, recover_run
from hpckit.head.shutdown import (
    early_end,
    leave_for_next_head,
    remove_leftovers,
    stop_workers,
    write_end_event,
    write_stopped_event,
)
from hpckit.head.watchdog import Heartbeat
from hpckit.head.worker_server import WorkerServer
from hpckit.head.workers import Workers
from hpckit.protocol.authentication import KEY_FILE, read_key
from hpckit.run.journal import FencedError
from hpckit.run.rundir import RunDir

POLL_S: Final = 0.1  # longest wait for the engine, so that workers are heard soon


class Head:
    """One incarnation of a run's head. Use `run`."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.plan = run_dir.read_plan()
        self.told_to_go = False
        self._heartbeat = Heartbeat()
        self._identity = head_identity(self.plan)
        self._recovered = recover_run(run_dir, self.plan, self._identity)
        self._task_scheduler = self._recovered.task_scheduler
        self._event_log = EventLog(
            run_dir, self._recovered.journal, self._recovered.output, self._task_scheduler
        )
        self._worker_server = self._start_worker_server()
        self._engine: Engine = make_engine(run_dir, self.plan, self._identity.hosts[0])
        self._workers = Workers(
            run_dir,
            self.plan,
            worker_server=self._worker_server,
            engine=self._engine,
            task_scheduler=self._task_scheduler,
            event_log=self._event_log,
        )

    def _start_worker_server(self) -> WorkerServer:
        try:
            return WorkerServer(
                run=self.plan.run,
                nonce=self._identity.nonce,
                key=read_key(self.run_dir.secret(KEY_FILE)),
                ports=self.plan.port_range,
            )
        except HpckitError as error:
            write_stopped_event(self.run_dir, self._event_log, str(error))
            raise

    def run(self) -> int:
        """Work until every task has ended or `told_to_go`; return the exit code."""
        try:
            engine = self._engine.start()
            self._event_log.check_fence()
            number = self._recovered.journal.incarnation
            publish_head(
                self.run_dir, self.plan, self._identity, number, self._worker_server.port, engine
            )
            while not (self._task_scheduler.finished or self.told_to_go or self._early_end()):
                self._round()
            return self._finish()
        except FencedError:
            raise  # whatever this head would write no longer counts
        except HpckitError as error:
            if self._leaves_for_next_head:  # Slurm ends all in the job; the engine may be the first
                return leave_for_next_head(self.run_dir, self._task_scheduler, self._event_log)
            write_stopped_event(self.run_dir, self._event_log, str(error))
            raise
        except Exception as error:
            fault = f"a fault in hpckit: {type(error).__name__}: {error}"
            write_stopped_event(self.run_dir, self._event_log, f"{fault}; the head's log has more")
            raise
        finally:
            self._engine.stop()
            self._workers.close()
            self._worker_server.close()
            self._recovered.close()

    def _round(self) -> None:
        self._heartbeat.beat()
        self._workers.poll_workers(0.0)
        self._feed()
        for event in self._engine.poll(POLL_S):
            if isinstance(event, EngineLost):
                self._workers.note_lost_bundle(event)
            else:
                self._event_log.note(self._task_scheduler.returned(event.result, time.time()))
                self._workers.drop_if_failing(event.result)
        self._workers.decide_lost_bundles()
        self._workers.look_at_slurm()
        self._event_log.flush()

    def _feed(self) -> None:
        slots, coming = self._workers.slots, self._workers.slots_coming
        while len(self._task_scheduler.sent) < bundles_held(slots, coming):
            bundle = self._task_scheduler.next_bundle(slots + coming)
            if bundle is None:
                return
            self._engine.submit(bundle)

    @property
    def _leaves_for_next_head(self) -> bool:
        """True if another head is to go on with the tasks that are not done."""
        return self.told_to_go and not self._task_scheduler.finished

    def _early_end(self) -> str:
        return early_end(self.run_dir, self.plan, self._task_scheduler.state)

    def _finish(self) -> int:
        if self._leaves_for_next_head:
            return leave_for_next_head(self.run_dir, self._task_scheduler, self._event_log)
        end_state = write_end_event(self.run_dir, self.plan, self._task_scheduler, self._event_log)
        stop_workers(
            self.run_dir, self.plan, self._workers, f"the run is {end_state}", self._engine.poll
        )
        remove_leftovers(self.run_dir, self.plan, self._event_log)
        return exit_codes.DONE if end_state == "done" else exit_codes.TASKS_FAILED


def main(argv: list[str]) -> int:
    """Run one incarnation for the run directory `argv[0]`."""
    try:
        head = Head(RunDir(Path(argv[0])))

        def on_signal(signum: int, _frame: object) -> None:
            head.told_to_go = True

        # Slurm signals every process of the step, this one and its supervisor alike.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, on_signal)
        return head.run()
    except FencedError as error:
        say(str(error))
        return exit_codes.BROKEN
    except HpckitError as error:
        print(f"hpckit: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return exit_codes.BROKEN
    except Exception:  # Python would end with 1, which means that tasks have failed
        traceback.print_exc()
        return exit_codes.BROKEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
