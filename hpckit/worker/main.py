"""A worker node's entry: ``python -m hpckit.worker RUN_DIR``.

It finds the head, runs the resident runner (in this process) and the engine's worker (a
child), watches both, and leaves in order. When the head goes it stops the engine's worker
and waits for the next head. Exit codes: 0 it left in order; 2 wrong use; 3 there was no
head, or the engine's worker does not stay up.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hpckit.common.log import say, set_worker_name
from hpckit.common.processes import allow_open_files, become_subreaper, signal_name
from hpckit.common.scratch_dir import ScratchDir
from hpckit.common.slurm_env import began_at, worker_info
from hpckit.errors import HpckitError
from hpckit.model.plan import Plan
from hpckit.protocol.authentication import KEY_FILE, read_key
from hpckit.run.jobs import newest_head_job
from hpckit.run.rundir import RunDir
from hpckit.worker.cancellation import SlurmWarning, StopFlag
from hpckit.worker.head_discovery import PATIENCE_S, HeadDiscovery, HeadWait, NothingToJoin
from hpckit.worker.head_session import HeadSession, wait_readable
from hpckit.worker.recovery.await_preemption import await_preemption, should_await_preemption
from hpckit.worker.recovery.requeue_orphaned_job import RequeueOrphanedJob
from hpckit.worker.recovery.yield_to_head import YieldToHead
from hpckit.worker.runner import ResidentRunner, RunnerSettings
from hpckit.worker.task.classify_exit import WARNING_ARRIVES_S
from hpckit.worker.time_left import TimeLeft

OWN_FILES: Final = 256  # open at a time, beside those of the slots
SLOT_FILES: Final = 16  # of each: its connection, what its task writes to, its interpreter
WARNINGS: Final = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line."""

    run_dir: RunDir
    patience_s: float
    socket: str  # where the runner is to listen; "" for a place of its own
    name: str  # of the worker; "" for the one by rule
    once: bool  # leave when the head goes, or the process that started this one


class Worker:
    """This process as a worker of a run."""

    def __init__(self, options: Options, plan: Plan) -> None:
        self.options = options
        self.plan = plan
        self.info = worker_info(plan, name=options.name)
        set_worker_name(self.info.name)
        self.warning = SlurmWarning()
        self.leave = StopFlag()
        began = began_at(os.environ, time.time())
        self.time_left = TimeLeft(self.info.ends_at, began, plan.warning_s)
        self.node = ScratchDir(plan.node_tmp)
        self.session: HeadSession | None = None
        self._telling = threading.Lock()
        self._parent = os.getppid()
        self.runner = ResidentRunner(
            self._settings(),
            self.time_left,
            self.warning,
            on_start=self._tell_started,
            outlives_client=self._outlives_client,
        )

    def run(self) -> str:
        """Serve heads until it is time to leave; return why it left.

        Raises:
            HpckitError: no head came, or the engine's worker does not stay up.
        """
        key = read_key(self.options.run_dir.secret(KEY_FILE))
        for number in WARNINGS:
            signal.signal(number, self._on_signal)
        try:
            settings = self.runner.settings
            allow_open_files(OWN_FILES + SLOT_FILES * settings.slots)
            self.runner.start()
            say(f"{settings.slots} slots, runner at {settings.socket}")
            return self._serve_heads(key)
        finally:
            self.runner.close()
            self.node.remove()

    def _serve_heads(self, key: bytes) -> str:
        watch = self._watch()
        rendezvous = HeadDiscovery(
            self.options.run_dir, key, self.info, self._pause, self.options.patience_s,
            watch=watch,
        )  # fmt: skip
        while True:
            try:
                met = rendezvous.wait()
            except NothingToJoin as over:
                return str(over)
            if met is None:
                return self.leave.reason or self._why_leave()
            address, client = met
            say(f"joined the head of {address.run} on {address.node} ({client.host})")
            session = HeadSession(self.plan, self.info, address, client, self.node, self.runner)
            self._begin(session)
            try:
                left = session.run(self.leave)
            finally:
                self.session = None
                if watch:
                    watch.served(address.incarnation)
            if left:
                return left
            if self.options.once:
                return "the head has left"
            say("the head has left: waiting for the next one")

    def _watch(self) -> HeadWait | None:
        """Return what to do about a head that does not come; nothing outside Slurm."""
        plan = self.plan
        if not self.info.job_id or self.options.once:
            return None
        if plan.shape == "allocation":
            return RequeueOrphanedJob(self.info.job_id, plan.slurm_bin)
        run_dir = self.options.run_dir
        return YieldToHead(lambda: newest_head_job(run_dir), plan.slurm_bin, plan.workers)

    def _settings(self) -> RunnerSettings:
        return RunnerSettings(
            worker=self.info.name,
            socket=Path(self.options.socket or self.node.path / "runner.sock"),
            temporary=self.node.make("tasks"),
            spool=self.options.run_dir.spool_file(self.info.name),
            slots=self.plan.slots,
            gpus=self.plan.worker.gpus,
            python=sys.executable,
            env=os.environ,
        )

    def _pause(self, seconds: float) -> bool:
        wait_readable([self.leave.fileno()], seconds)
        return bool(self.leave.reason or self._why_leave())

    def _why_leave(self) -> str:
        if self.time_left.is_over():
            return "the walltime is over"
        if self.options.once and os.getppid() != self._parent:
            return "the process that started this worker has ended"
        return ""

    def _on_signal(self, number: int, _frame: Any) -> None:
        name = signal_name(number)
        if not self.warning.at:
            self.warning.signal = number
            self.warning.at = time.time()
        self.time_left.drain(f"the worker was warned by {name}")
        self.leave.raise_(f"warned by {name}")

    def _begin(self, session: HeadSession) -> None:
        """Let a session begin, and tell its head of the bundles that have begun before it:
        the pool hands them out as soon as the runner listens."""
        with self._telling:
            self.session = session
            for bundle in self.runner.running:
                session.client.send({"started": bundle})

    def _tell_started(self, bundle: str) -> None:
        """Tell the head, if there is one, that a bundle begins; one that the session's beginning
        has told of already is told twice, which changes nothing."""
        with self._telling:
            if self.session:
                self.session.client.send({"started": bundle})

    def _outlives_client(self) -> bool:
        """Return True if a task whose engine has ended may finish: see
        `hpckit.protocol.messages`."""
        session = self.session
        if session is None or not session.client.holds_lost:
            return False
        # Slurm signals the engine too, which may have left before this process has heard of it.
        deadline = time.monotonic() + WARNING_ARRIVES_S
        while not self.time_left.draining and time.monotonic() < deadline:
            time.sleep(0.02)
        return bool(self.time_left.draining)


def parse(arguments: list[str]) -> Options:
    """Read the command line; exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m hpckit.worker", description="Serve a run of hpckit on this node."
    )
    parser.add_argument("run_dir", type=Path, help="the run directory, as all nodes see it")
    parser.add_argument(
        "--patience-s",
        type=float,
        default=PATIENCE_S,
        help="how long to wait for a head before giving up (default: %(default)s)",
    )
    parser.add_argument("--socket", default="", help="where the runner listens")
    parser.add_argument("--name", default="", help="the worker's name")
    parser.add_argument("--once", action="store_true", help="leave when the head or parent goes")
    found = parser.parse_args(arguments)
    return Options(
        run_dir=RunDir(found.run_dir.resolve()),
        patience_s=found.patience_s,
        socket=found.socket,
        name=found.name,
        once=found.once,
    )


def main(arguments: list[str] | None = None) -> int:
    """Be a worker; return the exit code."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        become_subreaper()
        worker = Worker(options, options.run_dir.read_plan())
        why = worker.run()
        if should_await_preemption(worker.plan, worker.warning, worker.info.job_id):
            say(f"left: {why}")
            why = await_preemption(options.run_dir)
    except HpckitError as error:
        say(f"error: {error}")
        return error.exit_code
    say(f"left: {why}")
    return 0
