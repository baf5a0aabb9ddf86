"""The supervisor: keeps the main loop alive in its job, and lets Slurm requeue the job when warned.

It imports no engine, so nothing that an engine does can take it down. submitit carries it:
its warning (SIGUSR2, which the batch script passes on before the walltime ends) calls
`Supervisor.checkpoint`, which lets the loop flush and leave; then submitit requeues the job, and
Slurm starts the same script again, which goes on from the journal. At a preemption Slurm sends
SIGTERM, and requeues the job itself (`docs/adr/0010-signals-in-scripts.md`).

submitit 1.5.4 reads the pickle of what it runs from ``JOBID_0_submitted.pkl``. It is written
here, on the node, so that a script can be submitted by hand with plain ``sbatch`` too
(`docs/adr/0002-submitit-on-the-node.md`). Workers of an allocation are kept alive by
`hpckit.worker.recovery.supervisor`, without submitit: a worker has no job of its own to requeue.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Final

from hpckit.common.backoff import Backoff
from hpckit.common.limits import AWAIT_REQUEUE_S, LOOP_FLUSHES_S, LOOP_IS_STUCK_S
from hpckit.common.log import say
from hpckit.common.processes import (
    become_subreaper,
    descendants_of,
    python_module,
    send,
    signal_name,
    wait_until_gone,
)
from hpckit.common.restart_policy import RestartPolicy
from hpckit.errors import HpckitError
from hpckit.head import exit_codes
from hpckit.head.requeue import requeue_with_retries
from hpckit.head.watchdog import HEARTBEAT_FD, HeartbeatListener
from hpckit.model.plan import Plan
from hpckit.run.jobs import HEAD_ROLES, SubmittedJob, read_jobs, record_job
from hpckit.run.journal import load_state
from hpckit.run.rundir import RunDir
from hpckit.run.state import RunState

MAX_RESTARTS: Final = 5  # of a loop that dies; counted from 1 again after QUIET_S without a death
RESTART_PAUSE_S: Final = (0.4, 10.0)  # before another loop is started, at first and at most
QUIET_S: Final = 600.0
KILL_S: Final = 10.0  # after which a process that was killed is held by the kernel
END_S: Final = 3.0  # for processes that a loop has left to end, and again after SIGKILL
LATE_S: Final = 3.0  # by which our own warning may come after the loop's
_LOOK_S: Final = 0.1
_NO_LIMIT: Final = 1_000_000  # walltimes that a run may outlive


class Supervisor:
    """The function that submitit runs. Its pickle holds only the run directory's path."""

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir
        self._loop_pid = 0
        self._told_to_leave = False  # SIGTERM came: Slurm ends or preempts this job
        self._dismissed = False  # the batch script says that it ends: do not wait for Slurm

    def __call__(self) -> int:
        """Run the loop until it ends for good; return its exit code."""
        become_subreaper()
        signal.signal(signal.SIGTERM, self._warn)
        signal.signal(signal.SIGINT, self._warn)
        signal.signal(signal.SIGUSR1, self._dismiss)
        restarts = RestartPolicy(MAX_RESTARTS, good_after_s=QUIET_S)
        pauses = Backoff(*RESTART_PAUSE_S)
        while True:
            code = self._run_loop()
            end_descendants()
            if self._is_warned(LATE_S if code == exit_codes.FLUSHED else 0):
                return self._await_requeue()
            if code == exit_codes.BROKEN or (code >= 0 and self._has_ended()):
                return code
            death = f"supervisor: {death_message(code)}"
            if not restarts.may_restart():
                say(f"{death} {restarts.in_a_row} times; giving up: see the log above")
                return exit_codes.BROKEN
            if restarts.in_a_row == 1:
                pauses.reset()
            say(f"{death}; starting another ({restarts.in_a_row} of {MAX_RESTARTS})")
            time.sleep(pauses.next_s())

    def checkpoint(self) -> Any:
        """Let the loop flush and leave; submitit then requeues the job.

        Called inside submitit's signal handler, while `_run_loop` waits further up the stack.
        """
        from submitit.core.utils import DelayedSubmission

        self._tell_loop(signal.SIGTERM)
        deadline = time.monotonic() + LOOP_FLUSHES_S
        while self._loop_runs() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._tell_loop(signal.SIGKILL)
        end_descendants()
        return DelayedSubmission(Supervisor(self.run_dir))

    def _has_ended(self) -> bool:
        """Return True if the journal has an end event. A loop that met a bug has written none, and
        its exit code means something else."""
        run_dir = RunDir(Path(self.run_dir))
        try:
            return load_state(run_dir, run_dir.read_plan().tasks).ended is not None
        except HpckitError as error:
            say(f"supervisor: {error}")
            return True

    def _is_warned(self, wait_s: float) -> bool:
        """Return True if the job is about to end; a signal to the loop alone does not say so."""
        deadline = time.monotonic() + wait_s
        while not (self._told_to_leave or self._dismissed) and time.monotonic() < deadline:
            time.sleep(0.05)
        return self._told_to_leave or self._dismissed

    def _run_loop(self) -> int:
        argv = [*python_module("hpckit.head.main_loop"), self.run_dir]
        listener = HeartbeatListener()
        try:
            loop = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                pass_fds=[listener.theirs],
                env={**os.environ, HEARTBEAT_FD: str(listener.theirs)},
            )
            self._loop_pid = loop.pid
            if self._told_to_leave:  # between two loops
                self._tell_loop(signal.SIGTERM)
            while self._loop_runs():
                if listener.silent_s() > LOOP_IS_STUCK_S:
                    self._end_stuck_loop()
                time.sleep(_LOOK_S)
            return loop.wait()
        finally:
            listener.close()

    def _end_stuck_loop(self) -> None:
        """End a loop that does nothing; leave at once if that cannot be done.

        What holds it then is the file system, which would hold this process as well.
        """
        stuck = f"supervisor: the loop has done nothing for {LOOP_IS_STUCK_S:.0f} s"
        say_without_waiting(f"{stuck}; ending it")
        self._tell_loop(signal.SIGKILL)
        deadline = time.monotonic() + KILL_S
        while self._loop_runs():
            if time.monotonic() > deadline:
                say_without_waiting(
                    f"{stuck} and cannot be ended: the file system of {self.run_dir} does not "
                    "answer. When it does: hpckit resume"
                )
                os._exit(exit_codes.BROKEN)
            time.sleep(_LOOK_S)

    def _loop_runs(self) -> bool:
        try:
            over = os.waitid(os.P_PID, self._loop_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return over is None

    def _tell_loop(self, number: signal.Signals) -> None:
        if self._loop_pid and self._loop_runs():
            os.kill(self._loop_pid, number)

    def _warn(self, _signum: int, _frame: object) -> None:
        """SIGTERM: let the loop flush and leave. What Slurm wants of the job shows later."""
        self._told_to_leave = True
        self._tell_loop(signal.SIGTERM)

    def _dismiss(self, _signum: int, _frame: object) -> None:
        self._dismissed = True
        self._tell_loop(signal.SIGTERM)

    def _await_requeue(self) -> int:
        """Wait until Slurm ends this job; everything is flushed.

        A preempted step that left by itself would end the job as FAILED; one that waits for
        the end of its grace time lets Slurm requeue the job. `scancel` and the time limit
        reach the batch script too, which then dismisses this process by SIGUSR1.
        """
        say("supervisor: all is flushed; waiting for Slurm to end or requeue this job")
        deadline = time.monotonic() + AWAIT_REQUEUE_S
        while not self._dismissed and time.monotonic() < deadline:
            time.sleep(0.2)
        return exit_codes.TERMINATED


def say_without_waiting(text: str) -> None:
    """Write to the log, which may be on the file system that does not answer, for two seconds at
    most."""
    saying = threading.Thread(target=say, args=(text,), daemon=True)
    saying.start()
    saying.join(2.0)


def death_message(code: int) -> str:
    """Return a text that says how a main loop ended that will be started again."""
    if code == exit_codes.FLUSHED:
        return "the loop was told to go, and the job was not"
    if code >= 0:
        return f"the loop ended with {code} and without an end event"
    return f"the loop was ended by {signal_name(-code)}"


def end_descendants() -> None:
    """End whatever is left of a loop (Ray's daemons, say), each by its PID."""
    left = descendants_of(os.getpid())
    send(left, signal.SIGTERM)
    left = wait_until_gone(left, END_S)
    send(left, signal.SIGKILL)
    wait_until_gone(left, END_S)


def supervise(run_dir: RunDir) -> int:
    """Run the supervisor in this Slurm job under submitit; return the exit code.

    Raises:
        submitit.core.utils.UncompletedJobError: it could not be requeued after a warning.
    """
    from submitit.core.job_environment import JobEnvironment
    from submitit.core.submission import process_job
    from submitit.core.utils import DelayedSubmission, pickle_load

    plan = run_dir.read_plan()
    _note_own_job(run_dir, plan)
    folder = run_dir.submitit
    folder.mkdir(exist_ok=True, mode=0o700)
    os.environ |= {"SUBMITIT_EXECUTOR": "slurm", "SUBMITIT_FOLDER": str(folder)}
    if plan.slurm_bin:  # submitit calls scontrol by name
        os.environ["PATH"] = f"{plan.slurm_bin}:{os.environ.get('PATH', os.defpath)}"
    paths = JobEnvironment().paths
    delayed = DelayedSubmission(Supervisor(str(run_dir.root)))
    delayed.set_timeout(max(1, plan.head.walltime_s // 60), _NO_LIMIT)
    delayed.dump(paths.submitted_pickle)
    try:
        process_job(folder)
    except subprocess.SubprocessError as error:  # the one try that submitit makes
        say(f"supervisor: the job could not be requeued: {error}")
        return requeue_with_retries(os.environ["SLURM_JOB_ID"], plan)
    _, code = pickle_load(paths.result_pickle)
    return outcome(load_state(run_dir, plan.tasks), code)


def _note_own_job(run_dir: RunDir, plan: Plan) -> None:
    """Write this job down, in case the script was submitted by hand."""
    own = os.environ["SLURM_JOB_ID"]
    if own not in {job.job_id for job in read_jobs(run_dir)}:
        role = next(job.role for job in plan.jobs if job.role in HEAD_ROLES)
        record_job(run_dir, SubmittedJob(job_id=own, role=role, submitted_at=time.time()))


def outcome(state: RunState, code: int) -> int:
    """Return the exit code that the journal tells, whatever the supervisor returned; `code`, what
    it returned, counts only where the journal has no end event (after a full disk, for example)."""
    if state.ended is None:
        return code or exit_codes.BROKEN
    return {"done": exit_codes.DONE, "stopped": exit_codes.BROKEN}.get(
        state.ended.state, exit_codes.TASKS_FAILED
    )


def main(argv: list[str]) -> int:
    """Supervise the run directory `argv[0]`; return the exit code."""
    try:
        return supervise(RunDir(Path(argv[0])))
    except HpckitError as error:
        say(f"supervisor: {error}")
    except OSError as error:  # submitit could not write its own small files
        say(
            f"supervisor: {error.filename or argv[0]}: {error.strerror}. Make room, then "
            f"`hpckit resume {Path(argv[0]).name}` goes on from here."
        )
    return exit_codes.BROKEN
