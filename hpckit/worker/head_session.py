"""The connection of this worker to one head, from joining until one of them leaves."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path
from typing import Final

from hpckit.common.backoff import Backoff
from hpckit.common.limits import (
    POOL_TASKS_FINISH_S,
    RESULTS_TRAVEL_S,
    TASKS_END_BEFORE_JOB_S,
    TASKS_FINISH_S,
)
from hpckit.common.log import say
from hpckit.common.restart_policy import RestartPolicy
from hpckit.common.scratch_dir import ScratchDir
from hpckit.engines.base import WorkerStart
from hpckit.engines.registry import ENGINES, worker_launch
from hpckit.errors import EngineError
from hpckit.model.plan import Plan
from hpckit.model.units import human_duration
from hpckit.model.worker import WorkerInfo
from hpckit.protocol.messages import BEAT_S, GONE_AFTER_S
from hpckit.run.address import Address
from hpckit.run.rundir import RunDir
from hpckit.worker import head_client
from hpckit.worker.cancellation import StopFlag
from hpckit.worker.engine_process import EngineWorker
from hpckit.worker.runner import ResidentRunner

_MAX_RESTARTS: Final = 5  # of the engine's worker, in a row
_RESTART_PAUSE_S: Final = (1.0, 10.0)  # before such a start, at first and at most
_STABLE_S: Final = 60.0  # after which a start counts as a good one
_TICK_S: Final = 0.5


class HeadSession:
    """Sends beats, keeps the engine's worker up, drains when this worker has to leave."""

    def __init__(
        self, plan: Plan, info: WorkerInfo, address: Address, client: head_client.HeadClient,
        node: ScratchDir, runner: ResidentRunner,
    ) -> None:  # fmt: skip
        self.client = client
        self._plan = plan
        self._info = info
        self._address = address
        self._node = node
        self._runner = runner
        self._engine: EngineWorker | None = None
        self._restarts = RestartPolicy(_MAX_RESTARTS, good_after_s=_STABLE_S)
        self._pauses = Backoff(*_RESTART_PAUSE_S)
        self._start_again_at = 0.0
        self._last_beat = 0.0
        self._heard = time.monotonic()
        self._left = ""  # why to leave, once that is known
        self._drain_deadline = 0.0

    def run(self, leave: StopFlag) -> str:
        """Serve until the head goes (returns ``""``) or this worker leaves (returns why).

        Raises:
            EngineError: the engine's worker cannot be started, or does not stay up.
        """
        try:
            self._start_engine()
            while self._hears_the_head():
                self._beat()
                self._watch_engine()
                self._look_for_reasons(leave)
                if self._left and self._is_drained():
                    return self._leave_in_order()
                self._wait(leave)
            say("the head closed the connection" if time.monotonic() - self._heard < GONE_AFTER_S
                else f"no word from the head for {GONE_AFTER_S:.0f} s")  # fmt: skip
            return self._after_the_head(leave)
        except EngineError as error:
            self.client.send({"left": error.message})
            raise
        finally:
            self._stop_engine()
            self.client.close()

    def _hears_the_head(self) -> bool:
        messages = self.client.receive()
        if messages is None:
            return False
        if messages:
            self._heard = time.monotonic()
        for message in messages:
            if "stop" in message:
                self._left = f"the head says: {message['stop']}"
                self._runner.time_left.dismissed = True
                self._runner.end_running(str(message["stop"]))
        return time.monotonic() - self._heard < GONE_AFTER_S

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._last_beat >= BEAT_S:
            self._last_beat = now
            self.client.send({"beat": time.time()})

    def _look_for_reasons(self, leave: StopFlag) -> None:
        if self._left:
            return
        if leave.reason:
            self._drain(leave.reason)
        elif self._runner.time_left.is_over():
            self._drain("the walltime is over")

    def _drain(self, reason: str) -> None:
        """Take no new bundle, let running tasks finish within the grace."""
        self._left = reason
        self._runner.time_left.drain(reason)
        most_s = TASKS_FINISH_S if ENGINES[self._plan.backend].joins else POOL_TASKS_FINISH_S
        grace_s = max(0.0, min(most_s, self._runner.time_left.left_s() - TASKS_END_BEFORE_JOB_S))
        self._drain_deadline = time.monotonic() + grace_s
        say(
            f"draining: {reason}; {self._runner.busy} bundles running, "
            f"their tasks have {human_duration(grace_s)}"
        )
        self.client.send({"draining": reason})

    def _is_drained(self) -> bool:
        if not self._runner.busy:
            return True
        if time.monotonic() < self._drain_deadline:
            return False
        self._runner.end_running(self._left)
        return self._runner.wait_idle(TASKS_END_BEFORE_JOB_S)

    def _leave_in_order(self) -> str:
        if self._drain_deadline and self._engine and self._engine.exit_code() is None:
            time.sleep(RESULTS_TRAVEL_S)
        self._stop_engine()
        self._runner.spool.sync()
        self.client.send({"left": self._left})
        return self._left

    def _after_the_head(self, leave: StopFlag) -> str:
        """The head has left: what runs is not waited for. A warned worker leaves as well."""
        self._stop_engine()
        if self._left or leave.reason:
            self._runner.wait_idle(TASKS_END_BEFORE_JOB_S)
            return self._left or leave.reason
        return ""

    def _start_engine(self) -> None:
        if self._address.backend != self._plan.backend:
            raise EngineError(
                f"the plan is for {self._plan.backend}, but its head uses {self._address.backend}"
            )
        launch = worker_launch(
            WorkerStart(
                plan=self._plan,
                worker=self._info,
                engine=self._address.engine,
                host=self.client.host,
                local_address=self.client.own_address,
                scratch=self._node,
                runner=self._runner.settings.socket,
            )
        )
        if launch is None:
            return
        run_dir = RunDir(Path(self._plan.run_dir))
        run_dir.logs.mkdir(exist_ok=True)
        path = run_dir.log_file(f"{self._info.name}.{self._address.backend}")
        mark = f"{self._info.name}/{os.getpid()}"
        self._engine = EngineWorker(launch, mark, path, self._runner.orphans)
        say(f"started the worker of {self._address.backend}, pid {self._engine.pid}, log {path}")

    def _watch_engine(self) -> None:
        """Start the engine's worker again when it has ended by itself, a bounded time."""
        if self._left:
            return
        now = time.monotonic()
        if self._engine is None:
            if self._start_again_at and now >= self._start_again_at:
                self._start_again_at = 0.0
                self._start_engine()
            return
        code = self._engine.exit_code()
        if code is None:
            return
        lived_s, words = now - self._engine.started, self._engine.last_words()
        what = f"the worker of {self._address.backend} ended with {code} after {lived_s:.0f} s"
        self._stop_engine()
        if not self._restarts.may_restart():
            raise EngineError(f"{what}, {self._restarts.in_a_row} times in a row; it said: {words}")
        if self._restarts.in_a_row == 1:
            self._pauses.reset()
        pause_s = self._pauses.next_s()
        say(f"{what} ({words}); starting it again in {human_duration(pause_s)}")
        self._start_again_at = now + pause_s

    def _stop_engine(self) -> None:
        engine, self._engine = self._engine, None
        if engine:
            engine.stop()

    def _wait(self, leave: StopFlag) -> None:
        handles = [self.client.fileno()]
        if not self._left:
            handles.append(leave.fileno())
        wait_readable(handles, 0.05 if self._left else _TICK_S)


def wait_readable(handles: list[int], limit_s: float) -> None:
    """Wait until one of the descriptors is readable, at most `limit_s`."""
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    with contextlib.suppress(InterruptedError):
        poll.poll(max(0.0, limit_s) * 1000)
