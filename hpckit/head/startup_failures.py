"""Worker jobs that ended and never began a bundle.

A job that has ended is replaced at once. Where the nodes lack what a worker needs (a program, a
directory), that would go on for ever. So such jobs are counted: the pauses grow, and in the end
the run is stopped. What Slurm took away does not count: preempted or reclaimed workers may
go as often as they like, and so do those that left in order.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from typing import Final

from hpckit.errors import EngineError
from hpckit.model.units import counted
from hpckit.run.rundir import RunDir
from hpckit.run.state import NOT_TASK_FAULT
from hpckit.slurm.states import JobState

FREE: Final = 3  # failed jobs that are replaced at once
MAX_FAILED_PER_WORKER: Final = (
    4  # as many as the run may have workers, and that often: then it is given up
)
MIN_ALLOWED_FAILURES: Final = 10  # for runs of few workers
#: Exit code of a worker that was ended by SIGTERM before it could listen to it, as srun tells it.
_TERMINATED: Final = 128 + signal.SIGTERM


class StartupFailures:
    """Counts worker jobs that ended without having begun a bundle.

    Args:
        run_dir: the run's files, named when it is given up.
    """

    def __init__(self, run_dir: RunDir) -> None:
        self._run_dir = run_dir
        self._fit: set[str] = set()  # jobs that have begun a bundle
        self._seen: set[str] | None = None  # jobs known to have ended; None: nothing known yet
        self._since: list[JobState] = []  # failed since any worker began a bundle
        self._failed_in_a_row = 0  # since the last job that began its first bundle

    @property
    def should_pause(self) -> bool:
        """True if so many jobs in a row failed at start-up that the next one should wait."""
        return self._failed_in_a_row > FREE

    def began(self, job_id: str) -> bool:
        """Note that a worker began a bundle; return whether it is the first of its job."""
        self._since.clear()
        if job_id in self._fit:
            return False
        self._fit.add(job_id)
        self._failed_in_a_row = 0
        return True

    def see(self, states: Mapping[str, JobState], joined: set[str], most: int) -> bool:
        """Take Slurm's states of the workers' jobs; return True if more have failed.

        What had ended before the first answer is of an earlier head, and counts for nothing.

        Args:
            states: by the id of the job or element.
            joined: job ids of the workers that are here.
            most: how many workers the run may have.

        Raises:
            EngineError: too many have failed, and no worker is here that can work.
        """
        ended = {job for job, state in states.items() if _is_settled(state)}
        if self._seen is None:
            self._seen = ended
            return False
        fresh = [states[job] for job in sorted(ended - self._seen) if self._counts(states[job])]
        self._seen |= ended
        self._failed_in_a_row += len(fresh)
        self._since += fresh
        if joined & self._fit:
            self._since.clear()
        if len(self._since) > max(MIN_ALLOWED_FAILURES, MAX_FAILED_PER_WORKER * most):
            raise EngineError(
                self.describe(),
                hint=f"{self._where()} Correct what they say, then: {self._resume_command()}",
            )
        return bool(fresh)

    def describe(self) -> str:
        """Return a text that says what ended, how, and how often."""
        if not self._since:
            return (
                f"{self._failed_in_a_row} worker jobs in a row ended without having begun a bundle"
            )
        kinds = Counter(map(_how, self._since)).most_common()
        how = ", ".join(f"{count} as {kind}" for kind, count in kinds)
        jobs = counted(len(self._since), "worker job")
        return f"{jobs} ended without having begun a bundle: {how}"

    def _counts(self, state: JobState) -> bool:
        if state.job_id in self._fit or state.state in NOT_TASK_FAULT or state.state == "COMPLETED":
            return False
        return state.signal != signal.SIGTERM and state.exit_code != _TERMINATED

    def _where(self) -> str:
        last = self._since[-1].job_id
        return f"The workers' logs are in {self._run_dir.logs}, the last is workers-{last}.log."

    def _resume_command(self) -> str:
        return f"hpckit resume {self._run_dir.root.name}"


def _is_settled(state: JobState) -> bool:
    """Return True if a job has ended and Slurm knows how; accounting lags behind the controller."""
    if state.state == "FAILED":
        return state.exit_code is not None or state.signal is not None
    return state.phase == "ended"


def _how(state: JobState) -> str:
    code = f" with exit code {state.exit_code}" if state.exit_code else ""
    return f"{state.state}{code}"
