"""The loop of the head: bundles out, results in, every event into the journal.

`python -m hpckit.head.loop RUN_DIR` is one incarnation. The supervisor starts it, and starts
another when it dies. Its exit codes: 0 all done, 1 some tasks failed for good, 3 an engine or
storage failed, 75 told to go with everything flushed, so that another can go on
(`hpckit.head.exits`).
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from hpckit.engines.choose import make_engine
from hpckit.engines.protocol import Engine
from hpckit.engines.protocol import Lost as EngineLost
from hpckit.errors import HpckitError
from hpckit.head import exits
from hpckit.head.door import Door
from hpckit.head.farewell import broken, cut_short, go_on_later, last_word, send_home, sweep_up
from hpckit.head.members import Members
from hpckit.head.pulse import Pulse
from hpckit.head.record import Record
from hpckit.head.sizing import bundles_held
from hpckit.head.takeover import publish, take_over, who_am_i
from hpckit.node.door import read_key
from hpckit.node.log import say
from hpckit.run.journal import FencedError
from hpckit.run.rundir import RunDir

POLL_S: Final = 0.1  # longest wait for the engine, so that the door is heard soon


class Head:
    """One incarnation of a run's head. Use `run`."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self.plan = run_dir.read_plan()
        self.told_to_go = False
        self._pulse = Pulse()
        self._me = who_am_i(self.plan)
        self._taken = take_over(run_dir, self.plan, self._me)
        self._ledger = self._taken.ledger
        self._record = Record(run_dir, self._taken.journal, self._taken.output, self._ledger)
        self._door = self._open_door()
        self._engine: Engine = make_engine(run_dir, self.plan, self._me.hosts[0])
        self._members = Members(
            run_dir, self.plan, door=self._door, engine=self._engine, ledger=self._ledger,
            record=self._record,
        )  # fmt: skip

    def _open_door(self) -> Door:
        try:
            return Door(
                run=self.plan.run,
                nonce=self._me.nonce,
                key=read_key(self.run_dir),
                ports=self.plan.port_range,
            )
        except HpckitError as error:
            broken(self.run_dir, self._record, str(error))
            raise

    def run(self) -> int:
        """Work until every task has ended or `told_to_go`; return the exit code."""
        try:
            engine = self._engine.start()
            self._record.check_fence()
            number = self._taken.journal.incarnation
            publish(self.run_dir, self.plan, self._me, number, self._door.port, engine)
            while not (self._ledger.finished or self.told_to_go or self._cut_short()):
                self._round()
            return self._finish()
        except FencedError:
            raise  # whatever this head would write no longer counts
        except HpckitError as error:
            if self._goes_on_later:  # Slurm ends all in the job; the engine may be the first
                return go_on_later(self.run_dir, self._ledger, self._record)
            broken(self.run_dir, self._record, str(error))
            raise
        except Exception as error:
            fault = f"a fault in hpckit: {type(error).__name__}: {error}"
            broken(self.run_dir, self._record, f"{fault}; the head's log has more")
            raise
        finally:
            self._engine.stop()
            self._members.close()
            self._door.close()
            self._taken.close()

    def _round(self) -> None:
        self._pulse.beat()
        self._members.watch_door(0.0)
        self._feed()
        for event in self._engine.poll(POLL_S):
            if isinstance(event, EngineLost):
                self._members.doubt(event)
            else:
                self._record.note(self._ledger.returned(event.result, time.time()))
                self._members.heed(event.result)
        self._members.settle_doubts()
        self._members.hear_slurm()
        self._record.flush()

    def _feed(self) -> None:
        slots, coming = self._members.slots, self._members.slots_coming
        while len(self._ledger.sent) < bundles_held(slots, coming):
            bundle = self._ledger.next_bundle(slots + coming)
            if bundle is None:
                return
            self._engine.submit(bundle)

    @property
    def _goes_on_later(self) -> bool:
        """Whether another head is to go on with what is left."""
        return self.told_to_go and not self._ledger.finished

    def _cut_short(self) -> str:
        return cut_short(self.run_dir, self.plan, self._ledger.state)

    def _finish(self) -> int:
        if self._goes_on_later:
            return go_on_later(self.run_dir, self._ledger, self._record)
        word = last_word(self.run_dir, self.plan, self._ledger, self._record)
        send_home(self.run_dir, self.plan, self._members, f"the run is {word}", self._engine.poll)
        sweep_up(self.run_dir, self.plan, self._record)
        return exits.DONE if word == "done" else exits.TASKS_FAILED


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
    except Exception:  # Python would end with 1, which means that tasks have failed
        traceback.print_exc()
        return exits.BROKEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
