"""Keeps a run's array of workers as large as the work that is left.

Jobs that wait or were requeued count as coming. When sbatch refuses, the reason is noted and
the pauses grow. Where compute nodes may not submit, nothing is started from here: the first
array was made as large as it may become.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Final

from hpckit.head.background import Background
from hpckit.head.fleet import Bounds, Fleet, Work, to_dismiss, to_start, workers_wanted
from hpckit.run.jobs import SubmittedJob, read_jobs, record_job
from hpckit.run.rundir import RunDir
from hpckit.slurm.jobs import job_states
from hpckit.slurm.sbatch import sbatch
from hpckit.slurm.states import JobState
from hpckit.spec.plan import Plan

FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 60.0
SUBMIT_PAUSE_S: Final = 2.0  # between two arrays of workers
BACK_OFF_S: Final = (30.0, 900.0)  # after a refusal of sbatch, at first and at most


class Elasticity:
    """Submits workers, and says which idle ones to send home.

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
        self._states: Background[Mapping[str, JobState]] = Background(
            first_pause_s=FIRST_PAUSE_S,
            longest_pause_s=LONGEST_PAUSE_S,
            clock=clock,
            about="how the workers' jobs are",
        )
        self._submitting: Background[int] = Background(
            first_pause_s=SUBMIT_PAUSE_S, longest_pause_s=SUBMIT_PAUSE_S, clock=clock
        )
        self._refused_until = 0.0
        self._back_off_s = BACK_OFF_S[0]

    @property
    def active(self) -> bool:
        """Whether this run's workers are an array that may change."""
        return self._plan.shape == "array"

    def look(self, joined: set[str], idle: list[str], work: Work) -> tuple[list[str], list[str]]:
        """Do what is to be done now; never waits.

        Args:
            joined: job ids (``57_3``) of the workers that are here and stay.
            idle: names of those that have nothing to do.
            work: what is left.

        Returns:
            names of idle workers to send home, and what is to be noted, in words.
        """
        notes = self._outcome()
        states = self._states.take()
        if states is not None and not self._outdated:
            self._coming = count_coming(states, joined)
        wanted = workers_wanted(work, self._bounds())
        if len(joined) < wanted and self._states.due and self._submitting.idle:
            self._ask_slurm()
        fleet = Fleet(here=len(joined), coming=self._coming or 0)
        more = to_start(fleet, wanted) if self._coming is not None else 0
        if more and self._may_submit():
            self._coming = None  # count anew before more are started, ...
            self._outdated = True  # ... and not by an answer to an older question
            self._submitting.ask(lambda: self._submit(more))
        return idle[: to_dismiss(fleet, wanted, len(idle))], notes

    def changed(self) -> None:
        """Look at Slurm soon: a worker came or went."""
        self._states.hurry()

    def close(self) -> None:
        """Ask and submit no more."""
        self._states.close()
        self._submitting.close()

    def _ask_slurm(self) -> None:
        self._outdated = False
        ids = [job.job_id for job in read_jobs(self._run_dir) if job.role == "workers"]
        if ids:
            self._states.ask(lambda: job_states(ids, slurm_bin=self._plan.slurm_bin))
        else:
            self._coming = 0

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
            and self._clock() >= self._refused_until
        )

    def _outcome(self) -> list[str]:
        """Return what to note of a submission that has ended."""
        started = self._submitting.take()
        if started:
            self._back_off_s = BACK_OFF_S[0]
            self._states.hurry()
            return [f"submitted {started} more workers"]
        error, self._submitting.error = self._submitting.error, None
        if error is None:
            return []
        pause_s, self._back_off_s = self._back_off_s, min(self._back_off_s * 2, BACK_OFF_S[1])
        self._refused_until = self._clock() + pause_s
        return [f"no more workers for {pause_s:.0f} s: {error.message}"]

    def _submit(self, count: int) -> int:
        """Submit up to `count` workers in one slice; return how many.

        Raises:
            SchedulerError: sbatch refused.
        """
        count = min(count, self._plan.max_array_size)
        array = f"0-{count - 1}"
        script = self._run_dir.script("workers")
        slurm_bin = self._plan.slurm_bin
        job_id = sbatch(script, slurm_bin=slurm_bin, args=(f"--array={array}",))
        job = SubmittedJob(job_id=job_id, role="workers", submitted_at=time.time(), array=array)
        record_job(self._run_dir, job)
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
