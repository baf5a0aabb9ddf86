"""Keep a run's array of workers as large as the work that is left.

Jobs that wait or were requeued count as coming, and so do those of workers that have left, until
Slurm says that they have ended: one that it has taken back may be requeued. When sbatch refuses,
or workers end without having worked (`hpckit.head.startup_failures`), the reason is noted and the
pauses grow.
Where compute nodes may not submit, nothing is started from here: the first array was made as large
as it may become, and when all of it has ended the run does not wait for its walltime.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Final

from hpckit.common.backoff import Backoff
from hpckit.errors import EngineError
from hpckit.head.poller import Poller
from hpckit.head.scaling_policy import (
    Bounds,
    WorkerCounts,
    WorkLeft,
    to_dismiss,
    to_start,
    workers_wanted,
)
from hpckit.head.startup_failures import StartupFailures
from hpckit.model.plan import Plan
from hpckit.run.jobs import HEAD_ROLES, SubmittedJob, read_jobs, record_job
from hpckit.run.rundir import RunDir
from hpckit.run.submission import submit_job
from hpckit.slurm.hostlist import array_indices, base_id
from hpckit.slurm.jobs import job_states
from hpckit.slurm.states import JobState

FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 60.0
SOON_S: Final = 1.0  # after a worker has left: its job may have ended by then
SUBMIT_PAUSE_S: Final = 2.0  # between two arrays of workers
BACKOFF_S: Final = (30.0, 900.0)  # after a refusal or failed starts, at first and at most
#: How long a user at a login node has to add workers when none is left and no job may submit.
NO_WORKER_S: Final = 900.0
#: How long a head that is quick to start lets `hpckit submit` write the first array down.
FIRST_ARRAY_S: Final = 60.0


class Autoscaler:
    """Submits workers, and says which idle ones to stop.

    Args:
        run_dir: the run's files.
        plan: the run's plan.
        clock: monotonic, seconds.
    """

    def __init__(
        self, run_dir: RunDir, plan: Plan, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run_dir = run_dir
        self._plan = plan
        self._clock = clock
        self._outdated = False  # whether the question under way was asked before a submission
        self._coming: int | None = None  # None: Slurm has not been asked since it mattered
        self._leaving: set[str] = set()  # jobs whose workers have left since it answered
        self._states: Poller[Mapping[str, JobState]] = Poller(
            first_pause_s=FIRST_PAUSE_S,
            longest_pause_s=LONGEST_PAUSE_S,
            clock=clock,
            about="how the workers' jobs are",
        )
        self._submitting: Poller[int] = Poller(
            first_pause_s=SUBMIT_PAUSE_S, longest_pause_s=SUBMIT_PAUSE_S, clock=clock
        )
        self._startup_failures = StartupFailures(run_dir)
        self._refused_until = self._doubted_until = 0.0
        self._began_at = clock()
        self._no_worker_since: float | None = None
        self._after_refusals, self._after_failures = Backoff(*BACKOFF_S), Backoff(*BACKOFF_S)
        self._recorded: set[str] = set()  # jobs and arrays that are in the run's list of jobs

    @property
    def active(self) -> bool:
        """True if this run's workers are an array that may change."""
        return self._plan.shape == "array"

    def look(
        self, joined: set[str], idle: list[str], work: WorkLeft
    ) -> tuple[list[str], list[str]]:
        """Start or stop workers as needed now; never waits.

        Args:
            joined: job ids (``57_3``) of the workers that are here and stay.
            idle: names of those that have nothing to do.
            work: what is left.

        Returns:
            the names of idle workers to stop, and the texts to note.

        Raises:
            EngineError: workers end again and again without having worked, or all have ended
                and none can be submitted from here.
        """
        notes = self._outcome()
        bounds = self._bounds()
        states = self._states.take()
        if states is not None:
            if self._startup_failures.see(states, joined, bounds.most):
                notes += self._pause()
            if not self._outdated:
                self._coming = count_coming(states, joined)
                self._leaving.clear()
        wanted = workers_wanted(work, bounds)
        if len(joined) < wanted and self._states.due and self._submitting.idle:
            self._ask_slurm()
        coming = (self._coming or 0) + len(self._leaving - joined)
        known = self._coming is not None
        notes += self._no_worker_will_come(bool(wanted) and not joined and known and not coming)
        fleet = WorkerCounts(here=len(joined), coming=coming)
        more = to_start(fleet, wanted) if known else 0
        if more and self._may_submit():
            self._coming = None  # count anew before more are started, ...
            self._outdated = True  # ... and not by an answer to an older question
            self._submitting.ask(lambda: self._submit(more))
        return idle[: to_dismiss(fleet, wanted, len(idle))], notes

    def worker_left(self, job_id: str) -> None:
        """Look at Slurm soon: a worker has left, or is about to."""
        if job_id:
            self._leaving.add(job_id)
        self._states.poll_soon(SOON_S)

    def worker_joined(self, job_id: str) -> None:
        """Look at Slurm soon; add a worker's array to the run's jobs if it is missing.

        Its script may have been submitted by hand, or by a head that was killed before it could
        write. A job that is no array may be anything else as well, in which somebody has started
        a worker.

        Raises:
            StorageError: the run directory cannot be written.
        """
        self._states.poll_soon()
        base = base_id(job_id)
        if not self.active or base == job_id or base in self._recorded:
            return
        self._recorded = {job.job_id for job in read_jobs(self._run_dir)}
        if base not in self._recorded:
            job = SubmittedJob(job_id=base, role="workers", submitted_at=time.time())
            record_job(self._run_dir, job)
            self._recorded.add(base)

    def began(self, job_id: str) -> None:
        """Note that a worker has begun a bundle: workers of this run can work."""
        if self._startup_failures.began(job_id):
            self._after_failures.reset()
            self._doubted_until = 0.0

    def close(self) -> None:
        """Ask and submit no more."""
        self._states.close()
        self._submitting.close()

    def _ask_slurm(self) -> None:
        self._outdated = False
        jobs = read_jobs(self._run_dir)
        ids = [job.job_id for job in jobs if job.role == "workers"]
        early = self._clock() < self._began_at + FIRST_ARRAY_S
        if early and (not jobs or jobs[-1].role in HEAD_ROLES):
            return  # `hpckit submit` or `resume` is about to submit this head's first array
        if ids:
            self._states.ask(lambda: job_states(ids, slurm_bin=self._plan.slurm_bin))
        else:
            self._startup_failures.see({}, set(), 0)
            self._coming = 0
            self._leaving.clear()

    def _bounds(self) -> Bounds:
        """The plan's bounds, unless `hpckit workers` has set others since."""
        try:
            said = json.loads(self._run_dir.workers.read_bytes())
            return Bounds(least=int(said["least"]), most=int(said["most"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Bounds(least=self._plan.min_workers, most=self._plan.max_workers)

    def _may_submit(self) -> bool:
        return (
            self._plan.compute_nodes_submit
            and self._submitting.due
            and self._clock() >= max(self._refused_until, self._doubted_until)
        )

    def _pause(self) -> list[str]:
        """Wait before more workers that may fail are submitted; return the texts to note."""
        if not self._startup_failures.should_pause or self._clock() < self._doubted_until:
            return []
        pause_s = self._after_failures.next_s()
        self._doubted_until = self._clock() + pause_s
        what = f"{self._startup_failures.describe()}; see {self._run_dir.logs}"
        if not self._plan.compute_nodes_submit:
            return [f"{what}. No others can be submitted from this node"]
        return [f"no more workers for {pause_s:.0f} s: {what}"]

    def _no_worker_will_come(self, nobody: bool) -> list[str]:
        """Note that no worker is here or coming, and that none can be submitted from here.

        Raises:
            EngineError: it has been so for `NO_WORKER_S`.
        """
        if not nobody or self._plan.compute_nodes_submit:
            self._no_worker_since = None
            return []
        found = "no worker is left, and jobs of this site may not submit others"
        if self._no_worker_since is None:
            self._no_worker_since = self._clock()
            add = f"`hpckit workers add N {self._plan.run}`"
            limit = f"{NO_WORKER_S / 60:.0f} minutes"
            return [f"{found}: {add} does, on a login node; the run is stopped after {limit}"]
        if self._clock() < self._no_worker_since + NO_WORKER_S:
            return []
        raise EngineError(found, hint=f"hpckit resume {self._plan.run}")

    def _outcome(self) -> list[str]:
        """Return what to note of a submission that has ended."""
        started = self._submitting.take()
        if started:
            self._after_refusals.reset()
            self._states.poll_soon()
            return [f"submitted {started} more workers"]
        error, self._submitting.error = self._submitting.error, None
        if error is None:
            return []
        pause_s = self._after_refusals.next_s()
        self._refused_until = self._clock() + pause_s
        return [f"no more workers for {pause_s:.0f} s: {error.message}"]

    def _submit(self, count: int) -> int:
        """Submit up to `count` workers in one slice; return how many.

        Raises:
            SchedulerError: sbatch refused.
            StorageError: the job could not be written down, and was cancelled again.
        """
        count = min(count, self._plan.max_array_size)
        indices, slurm_bin = array_indices(count), self._plan.slurm_bin
        submit_job(self._run_dir, "workers", slurm_bin=slurm_bin, array=indices)
        return count


def count_coming(states: Mapping[str, JobState], joined: set[str]) -> int:
    """Return how many worker jobs wait, start, or are requeued, and have not joined.

    An element of an array that has not started may be folded: ``57_[3-9%2]``.
    """
    count = 0
    for job_id, state in states.items():
        if state.phase in ("waiting", "running") and job_id not in joined:
            count += folded_size(job_id)
    return count


def folded_size(job_id: str) -> int:
    """Return how many elements ``57_3``, ``57_[3-9%2]`` or ``57_[1,4-5]`` stands for."""
    _, _, inside = job_id.partition("_[")
    if not inside:
        return 1
    total = 0
    for part in inside.rstrip("]").partition("%")[0].split(","):
        first, dash, last = part.partition("-")
        last, _, step = last.partition(":")
        if dash:
            total += (int(last) - int(first)) // int(step or 1) + 1
        else:
            total += 1
    return total
