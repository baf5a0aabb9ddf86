"""The status of a run at this moment: the journal, compared with what Slurm says of its jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from hpckit.errors import SchedulerError, StorageError
from hpckit.model.paths import path_exists
from hpckit.model.plan import Plan
from hpckit.model.units import human_duration
from hpckit.run.jobs import SubmittedJob, newest_head, read_jobs
from hpckit.run.journal import load_state
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import Counts, read_snapshot
from hpckit.run.state import RunState
from hpckit.run.storage_check import storage_problem
from hpckit.slurm.emulated import cluster_ended
from hpckit.slurm.jobs import job_states
from hpckit.slurm.states import UNKNOWN, JobState

STATUS_SCHEMA: Final = "hpckit.status/1"
SILENT_S: Final = 120.0  # a head writes its snapshot every second
FORGOTTEN_S: Final = 600.0  # Slurm knows every job that it accepted since then and still holds
StateName = Literal["waiting", "running", "done", "failed", "cancelled", "stopped"]
FINAL: Final = frozenset({"done", "failed", "cancelled", "stopped"})
_Loaded = tuple[RunDir, Plan, RunState, tuple[SubmittedJob, ...]]


@dataclass(frozen=True)
class RunStatus:
    """The status of one run.

    Attributes:
        run_dir: its files.
        plan: its plan.
        state: waiting, running, done, failed, cancelled or stopped.
        why: the reason for the state, as far as it is known; may be empty.
        counts: number of tasks in each state; they add up to the plan's tasks.
        run_state: the replayed journal.
        jobs: what was submitted, oldest first.
        slurm: what Slurm says of the jobs and array elements, by id; empty when not asked.
        slurm_error: says that Slurm does not answer; ``""`` if it does, or was not asked.
    """

    run_dir: RunDir
    plan: Plan
    state: StateName
    why: str
    counts: Counts
    run_state: RunState
    jobs: tuple[SubmittedJob, ...]
    slurm: Mapping[str, JobState]
    slurm_error: str = ""

    @property
    def makespan_s(self) -> float:
        """Seconds from the first head's start to the last event; until now while it runs."""
        if not self.run_state.first_at:
            return 0.0
        until = time.time() if self.state == "running" else self.run_state.last_at
        return until - self.run_state.first_at

    @property
    def live_jobs(self) -> int:
        """Number of jobs and array elements of the run that wait or run."""
        return sum(1 for state in self.slurm.values() if state.phase in ("waiting", "running"))

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``status --json``."""
        opened = self.run_state.opened
        head = {"job_id": opened.job_id, "node": opened.node, "pid": opened.pid} if opened else None
        return {
            "schema": STATUS_SCHEMA,
            "run": self.plan.run,
            "state": self.state,
            "why": self.why,
            "backend": self.plan.backend,
            "shape": self.plan.shape,
            "site": self.plan.site,
            "run_dir": str(self.run_dir.root),
            "tasks": self.plan.tasks,
            "counts": {
                "done": self.counts.done,
                "failed": self.counts.failed,
                "running": self.counts.running,
                "waiting": self.counts.waiting,
            },
            "makespan_s": round(self.makespan_s, 3),
            "head": head,
            "workers": [self._worker(name) for name in self.run_state.workers],
            "jobs": [self._job(job) for job in self.jobs],
        }

    def _worker(self, name: str) -> dict[str, Any]:
        record = self.run_state.workers[name]
        slurm = self.slurm.get(record.joined.job_id)
        alive = slurm is not None and slurm.phase in ("waiting", "running")
        ended = slurm is not None and slurm.phase == "ended"
        left = record.left is not None or ended or (self.state in FINAL and not alive)
        why = record.left.why if record.left else ""
        # The journal's reason is of this run of the job; after a requeue Slurm tells a later one.
        reason = record.reason if record.reason != UNKNOWN else ""
        reason = reason or (slurm.end_reason if slurm else "") or why
        return {
            "name": name,
            "job_id": record.joined.job_id,
            "node": record.joined.node,
            "state": "left" if left else "here",
            "end_reason": reason if left else "",
        }

    def _job(self, job: SubmittedJob) -> dict[str, Any]:
        own = [s for key, s in self.slurm.items() if key.partition("_")[0] == job.job_id]
        return {
            "job_id": job.job_id,
            "role": job.role,
            "array": job.array,
            "states": {state.job_id: state.state for state in own},
            "reasons": {state.job_id: state.reason for state in own if state.reason},
        }


def read_status(run_dir: RunDir) -> RunStatus:
    """Return the status of one run.

    Raises:
        StorageError: the run directory cannot be read.
    """
    return _statuses([(run_dir, *_load(run_dir))])[0]


def list_statuses(
    run_dirs: Iterable[RunDir], unreadable: Callable[[StorageError], None]
) -> list[RunStatus]:
    """Return the status of some runs, asking each scheduler one question for all of them.

    For a run that has ended, the attempts at its tasks are left out, to save memory.

    Args:
        run_dirs: the files of each run.
        unreadable: is called with the error for each run that cannot be read.
    """
    loaded = []
    for run_dir in run_dirs:
        try:
            plan, run_state, jobs = _load(run_dir)
        except StorageError as error:
            unreadable(error)
            continue
        if run_state.ended:
            run_state.last.clear()
        loaded.append((run_dir, plan, run_state, jobs))
    return _statuses(loaded)


def _statuses(loaded: Sequence[_Loaded]) -> list[RunStatus]:
    questions: dict[str, list[str]] = {}
    for _, plan, run_state, jobs in loaded:
        settled = (
            run_state.ended and run_state.opened and run_state.opened.job_id == newest_head(jobs)
        )
        if not settled or len(loaded) == 1:
            questions.setdefault(plan.slurm_bin, []).extend(job.job_id for job in jobs)
    ended = _ended_clusters(plan for _, plan, _, _ in loaded)
    answers = {
        slurm_bin: _ask(slurm_bin, ids)
        for slurm_bin, ids in questions.items()
        if ids and slurm_bin not in ended
    }
    return [
        _status(run_dir, plan, run_state, jobs, answers.get(plan.slurm_bin, ({}, "")))
        for run_dir, plan, run_state, jobs in loaded
    ]


def _ended_clusters(plans: Iterable[Plan]) -> set[str]:
    """Return `slurm_bin` of each emulated cluster that is down; its jobs ended with it."""
    found = {plan.slurm_bin for plan in plans if plan.scheduler == "emulated"}
    return {slurm_bin for slurm_bin in found if cluster_ended(slurm_bin)}


def _load(run_dir: RunDir) -> tuple[Plan, RunState, tuple[SubmittedJob, ...]]:
    plan = run_dir.read_plan()
    return plan, load_state(run_dir, plan.tasks), tuple(read_jobs(run_dir))


def _ask(slurm_bin: str, job_ids: list[str]) -> tuple[Mapping[str, JobState], str]:
    """Return the states of the jobs, and a message if the scheduler does not answer."""
    try:
        return job_states(job_ids, slurm_bin=slurm_bin), ""
    except SchedulerError as error:
        return {}, f"the scheduler does not answer: {error.message.splitlines()[0]}"


def _status(
    run_dir: RunDir,
    plan: Plan,
    run_state: RunState,
    jobs: tuple[SubmittedJob, ...],
    answer: tuple[Mapping[str, JobState], str],
) -> RunStatus:
    slurm, slurm_error = answer
    state, why = decide_state(
        run_state, jobs, slurm, cancelled=path_exists(run_dir.cancel), silent_s=_silent_s(run_dir)
    )
    if state not in FINAL and _ended_clusters([plan]):
        state, why = "stopped", f"the emulated cluster {plan.site!r} is down, and its jobs ended"
    counts = _counts(run_dir, run_state, running=state == "running")
    if state == "stopped" and (problem := storage_problem(run_dir)):
        why = f"{why}; {problem}" if why else problem
    if state in ("waiting", "running"):
        why = slurm_error or why
    return RunStatus(run_dir, plan, state, why, counts, run_state, jobs, slurm, slurm_error)


def decide_state(
    run_state: RunState,
    jobs: tuple[SubmittedJob, ...],
    slurm: Mapping[str, JobState],
    *,
    cancelled: bool,
    silent_s: float,
) -> tuple[StateName, str]:
    """Return the run's state and the reason for it.

    If Slurm does not know a job (any more, or yet), that alone decides nothing. Then the journal
    decides, and the time since the head wrote its last snapshot, `silent_s`.
    """
    newest = newest_head(jobs)
    has_begun = run_state.opened is not None and run_state.opened.job_id == newest
    if run_state.ended and has_begun and (run_state.ended.state != "stopped" or not cancelled):
        return _ended(run_state.ended.state), run_state.ended.why
    if cancelled:
        return "cancelled", ""
    head = slurm.get(newest)
    if head is None or head.phase == "unknown":
        if not has_begun and head is not None and _age_s(jobs) > FORGOTTEN_S:
            return "stopped", f"Slurm does not know the head's job {newest}, which never began"
        if not has_begun:
            return "waiting", "the head's job has not started yet"
        if head is not None and silent_s > SILENT_S:
            since = human_duration(silent_s)
            return "stopped", f"Slurm does not know the head's job {newest}, silent for {since}"
        return "running", ""
    if head.phase == "ended":
        return "stopped", f"the head's job {newest} ended as {head.end_reason}"
    if head.phase == "waiting":
        reason = f" ({head.reason})" if head.reason else ""
        return "waiting", f"the head's job {newest} is {head.state}{reason}"
    return ("running", "") if has_begun else ("waiting", "the head is starting")


def _age_s(jobs: tuple[SubmittedJob, ...]) -> float:
    """Return the seconds since the newest job was submitted."""
    return time.time() - max((job.submitted_at for job in jobs), default=0.0)


def _silent_s(run_dir: RunDir) -> float:
    snapshot = read_snapshot(run_dir)
    return time.time() - snapshot.at if snapshot else 0.0


def _ended(state: str) -> StateName:
    states: dict[str, StateName] = {"done": "done", "failed": "failed", "cancelled": "cancelled"}
    return states.get(state, "stopped")


def _counts(run_dir: RunDir, run_state: RunState, *, running: bool) -> Counts:
    now = 0
    if running and (snapshot := read_snapshot(run_dir)) is not None:
        now = min(snapshot.counts.running, run_state.left)
    return Counts(
        done=run_state.done, failed=run_state.failed, running=now, waiting=run_state.left - now
    )
