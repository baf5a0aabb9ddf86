"""The status of a run at this moment: the journal, compared with what Slurm says of its jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from hpckit.errors import SchedulerError, StorageError
from hpckit.model.paths import is_there
from hpckit.model.plan import Plan
from hpckit.model.units import human_duration
from hpckit.run.jobs import SubmittedJob, newest_head, read_jobs
from hpckit.run.journal import load_state
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import Counts, read_snapshot
from hpckit.run.state import RunState
from hpckit.run.storage_check import storage_trouble
from hpckit.slurm.emulated import cluster_ended
from hpckit.slurm.jobs import job_states
from hpckit.slurm.states import UNKNOWN, JobState

STATUS_SCHEMA: Final = "hpckit.status/1"
SILENT_S: Final = 120.0  # a head writes its snapshot every second
FORGOTTEN_S: Final = 600.0  # a job that was accepted so long ago is known, or has gone
Word = Literal["waiting", "running", "done", "failed", "cancelled", "stopped"]
FINAL: Final = frozenset({"done", "failed", "cancelled", "stopped"})


_Loaded = tuple[RunDir, Plan, RunState, tuple[SubmittedJob, ...]]


@dataclass(frozen=True)
class RunStatus:
    """The status of one run.

    Attributes:
        run_dir: its files.
        plan: its plan.
        word: waiting, running, done, failed, cancelled or stopped.
        why: what is known of the reason, in words; may be empty.
        counts: tasks by state; they add up to the plan's tasks.
        record: the replayed journal.
        jobs: what was submitted, oldest first.
        slurm: what Slurm says of the jobs and array elements, by id; empty when not asked.
        silent: that Slurm does not answer, in words; ``""`` when it does or was not asked.
    """

    run_dir: RunDir
    plan: Plan
    word: Word
    why: str
    counts: Counts
    record: RunState
    jobs: tuple[SubmittedJob, ...]
    slurm: Mapping[str, JobState]
    silent: str = ""

    @property
    def makespan_s(self) -> float:
        """Seconds from the first head's start to the last event; until now while it runs."""
        if not self.record.first_at:
            return 0.0
        until = time.time() if self.word == "running" else self.record.last_at
        return until - self.record.first_at

    @property
    def live_jobs(self) -> int:
        """Number of jobs and array elements of the run that wait or run."""
        return sum(1 for state in self.slurm.values() if state.phase in ("waiting", "running"))

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``status --json``."""
        opened = self.record.opened
        head = {"job_id": opened.job_id, "node": opened.node, "pid": opened.pid} if opened else None
        return {
            "schema": STATUS_SCHEMA,
            "run": self.plan.run,
            "state": self.word,
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
            "workers": [self._worker(name) for name in self.record.workers],
            "jobs": [self._job(job) for job in self.jobs],
        }

    def _worker(self, name: str) -> dict[str, Any]:
        record = self.record.workers[name]
        slurm = self.slurm.get(record.joined.job_id)
        lives = slurm is not None and slurm.phase in ("waiting", "running")
        over = slurm is not None and slurm.phase == "ended"
        left = record.left is not None or over or (self.word in FINAL and not lives)
        why = record.left.why if record.left else ""
        # The journal knows how this life of the job ended; a requeued job has others.
        said = record.reason if record.reason != UNKNOWN else ""
        said = said or (slurm.end_reason if slurm else "") or why
        return {
            "name": name,
            "job_id": record.joined.job_id,
            "node": record.joined.node,
            "state": "left" if left else "here",
            "end_reason": said if left else "",
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

    Of a run that has ended, its attempts at single tasks are left out: they fill the memory.

    Args:
        run_dirs: their files.
        unreadable: is called for each that cannot be read.
    """
    loaded = []
    for run_dir in run_dirs:
        try:
            plan, record, jobs = _load(run_dir)
        except StorageError as error:
            unreadable(error)
            continue
        if record.ended:
            record.last.clear()
        loaded.append((run_dir, plan, record, jobs))
    return _statuses(loaded)


def _statuses(loaded: Sequence[_Loaded]) -> list[RunStatus]:
    questions: dict[str, list[str]] = {}
    for _, plan, record, jobs in loaded:
        settled = record.ended and record.opened and record.opened.job_id == newest_head(jobs)
        if not settled or len(loaded) == 1:
            questions.setdefault(plan.slurm_bin, []).extend(job.job_id for job in jobs)
    gone = _gone(plan for _, plan, _, _ in loaded)
    answers = {
        slurm_bin: _ask(slurm_bin, ids)
        for slurm_bin, ids in questions.items()
        if ids and slurm_bin not in gone
    }
    return [
        _status(run_dir, plan, record, jobs, answers.get(plan.slurm_bin, ({}, "")))
        for run_dir, plan, record, jobs in loaded
    ]


def _gone(plans: Iterable[Plan]) -> set[str]:
    """Return the emulated clusters that are down; their jobs ended with them."""
    found = {plan.slurm_bin for plan in plans if plan.scheduler == "emulated"}
    return {slurm_bin for slurm_bin in found if cluster_ended(slurm_bin)}


def _load(run_dir: RunDir) -> tuple[Plan, RunState, tuple[SubmittedJob, ...]]:
    plan = run_dir.read_plan()
    return plan, load_state(run_dir, plan.tasks), tuple(read_jobs(run_dir))


def _ask(slurm_bin: str, job_ids: list[str]) -> tuple[Mapping[str, JobState], str]:
    """Return what the scheduler says, and in words that it does not answer."""
    try:
        return job_states(job_ids, slurm_bin=slurm_bin), ""
    except SchedulerError as error:
        return {}, f"the scheduler does not answer: {error.message.splitlines()[0]}"


def _status(
    run_dir: RunDir,
    plan: Plan,
    record: RunState,
    jobs: tuple[SubmittedJob, ...],
    answer: tuple[Mapping[str, JobState], str],
) -> RunStatus:
    slurm, silent = answer
    word, why = judge(
        record, jobs, slurm, cancelled=is_there(run_dir.cancel), silent_s=_silent_s(run_dir)
    )
    if word not in FINAL and _gone([plan]):
        word, why = "stopped", f"the emulated cluster {plan.site!r} is down, and its jobs ended"
    counts = _counts(run_dir, record, running=word == "running")
    if word == "stopped" and (trouble := storage_trouble(run_dir)):
        why = f"{why}; {trouble}" if why else trouble
    if word in ("waiting", "running"):
        why = silent or why
    return RunStatus(run_dir, plan, word, why, counts, record, jobs, slurm, silent)


def judge(
    record: RunState,
    jobs: tuple[SubmittedJob, ...],
    slurm: Mapping[str, JobState],
    *,
    cancelled: bool,
    silent_s: float,
) -> tuple[Word, str]:
    """Return the run's state and the reason for it.

    A job that Slurm does not know (any more, or yet) decides nothing by itself; the journal
    does, and whether the head was heard of lately: `silent_s` ago.
    """
    newest = newest_head(jobs)
    taken_up = record.opened is not None and record.opened.job_id == newest
    if record.ended and taken_up and (record.ended.state != "stopped" or not cancelled):
        return _ended(record.ended.state), record.ended.why
    if cancelled:
        return "cancelled", ""
    head = slurm.get(newest)
    if head is None or head.phase == "unknown":
        if not taken_up and head is not None and _age_s(jobs) > FORGOTTEN_S:
            return "stopped", f"Slurm does not know the head's job {newest}, which never began"
        if not taken_up:
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
    return ("running", "") if taken_up else ("waiting", "the head is starting")


def _age_s(jobs: tuple[SubmittedJob, ...]) -> float:
    """Return the seconds since the newest job was submitted."""
    return time.time() - max((job.submitted_at for job in jobs), default=0.0)


def _silent_s(run_dir: RunDir) -> float:
    snapshot = read_snapshot(run_dir)
    return time.time() - snapshot.at if snapshot else 0.0


def _ended(state: str) -> Word:
    words: dict[str, Word] = {"done": "done", "failed": "failed", "cancelled": "cancelled"}
    return words.get(state, "stopped")


def _counts(run_dir: RunDir, record: RunState, *, running: bool) -> Counts:
    now = 0
    if running and (snapshot := read_snapshot(run_dir)) is not None:
        now = min(snapshot.counts.running, record.left)
    return Counts(done=record.done, failed=record.failed, running=now, waiting=record.left - now)
