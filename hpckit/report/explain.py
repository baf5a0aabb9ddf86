"""Explain in text why a run, or one of its tasks, is not running.

Pure, but for reading the run directory: what is said follows from the status and the journal.
"""

from __future__ import annotations

import time
from collections import Counter

from hpckit.model.failure_kind import FailureKind, meaning
from hpckit.model.retries import Retries
from hpckit.model.units import counted, human_duration
from hpckit.run.events import Returned
from hpckit.run.journal import replay
from hpckit.run.state import DONE, FAILED
from hpckit.run.status import RunStatus
from hpckit.slurm.pending_reasons import describe_reason
from hpckit.slurm.states import JobState


def explain_run(status: RunStatus, now: float | None = None) -> list[str]:
    """Return what holds the run up, most important first; what goes well, if nothing does."""
    if status.state == "done":
        return ["every task is done"]
    if status.state in ("cancelled", "stopped"):
        why = status.why or ("it was cancelled" if status.state == "cancelled" else "it stopped")
        return [f"{why}; `hpckit resume {status.plan.run}` goes on with it"]
    if status.state == "failed":
        return _failed(status)
    if status.state == "waiting":
        return _head_waits(status)
    here = [r.joined for r in status.run_state.workers.values() if r.left is None]
    lines = [status.why] if status.why else []
    lines += [] if here else [_nobody(status)]
    lines += _worker_jobs(status)
    lines += _noted(status)
    lines += _too_small(status) if here else []
    lines += _too_short(status, now or time.time()) if here else []
    if lines:
        return lines
    running = status.counts.running
    return [
        f"it runs: {counted(len(here), 'worker')} {_is(len(here))} here, "
        f"{counted(running, 'task')} {_is(running)} running"
    ]


def explain_task(status: RunStatus, index: int, now: float | None = None) -> list[str]:
    """Return why one task is not running, or what became of it."""
    record = status.run_state
    attempt = record.last.get(index)
    if record.status[index] == DONE and attempt:
        return [f"it is done: attempt {attempt.row.attempt} on {attempt.worker}"]
    if record.status[index] == FAILED and attempt:
        row = attempt.row
        budget = _budget(status.plan.retries, row.kind)
        said = row.message or meaning(FailureKind(row.kind)).description
        return [f"it failed for good: {row.kind} ({said}) in attempt {row.attempt}; {budget}"]
    lines = []
    used = record.failures.get(index, Counter())
    for kind, count in used.items():
        if kind == FailureKind.LOST and count:
            most = status.plan.retries.poison_after
            went = f"{counted(count, 'worker')} went while running it"
            lines.append(f"{went}; after {most} it is poison")
        elif count:
            attempts = counted(count, "attempt")
            lines.append(
                f"{attempts} ended in {kind}; {_left_of(status.plan.retries, kind, count)}"
            )
    if status.state != "running":
        return [*lines, *explain_run(status, now)]
    held_up = explain_run(status, now)
    ahead = sum(1 for i in range(index) if record.status[i] not in (DONE, FAILED))
    before = f"{counted(ahead, 'task')} before it {_is(ahead)} open"
    return [*lines, f"it waits for its turn or runs now: {before}", *held_up]


def _nobody(status: RunStatus) -> str:
    """Say that no worker is here; and when none is to come, how the last went, and what helps."""
    said, run = "the head runs, but no worker is here", status.plan.run
    ids = {job.job_id for job in status.jobs if job.role == "workers"}
    jobs = [state for key, state in status.slurm.items() if key.partition("_")[0] in ids]
    if jobs and all(state.phase == "ended" for state in jobs):
        return f"{said}, and no job that would bring one: `hpckit workers add N {run}` submits some"
    if busy := Counter(state.state for state in jobs if state.phase == "running"):
        return f"{said}; worker jobs: {', '.join(f'{n} {name}' for name, n in busy.items())}"
    went = [r.left for r in status.run_state.workers.values() if r.left]
    if not went or status.plan.shape != "allocation":
        return said
    why = max(went, key=lambda left: left.t).why
    return (
        f"{said}; of the last: {why or 'no reason is known'}. If none comes: "
        f"`hpckit cancel {run}`, then `hpckit resume {run}`"
    )


def _failed(status: RunStatus) -> list[str]:
    failed, left = status.counts.failed, status.run_state.left
    have = "has" if failed == 1 else "have"
    not_run = f", {left} {'was' if left == 1 else 'were'} not run" if left else ""
    said = f"{counted(failed, 'task')} {have} failed for good{not_run}: see "
    said += f"`hpckit failures {status.plan.run}`"
    return [said, status.why] if status.why else [said]


def _head_waits(status: RunStatus) -> list[str]:
    newest = next((job for job in reversed(status.jobs) if job.role != "workers"), None)
    state = status.slurm.get(newest.job_id) if newest else None
    if newest is None or state is None:
        return [status.why or "no head has been submitted"]
    if state.phase == "waiting":
        return [f"the head's job {newest.job_id} is {state.state}; {describe_reason(state.reason)}"]
    return [f"the head's job {newest.job_id} is {state.state}; {status.why}"]


def _worker_jobs(status: RunStatus) -> list[str]:
    """Return a line for each reason for which worker jobs wait."""
    ids = {job.job_id for job in status.jobs if job.role == "workers"}
    joined = {r.joined.job_id for r in status.run_state.workers.values() if r.left is None}
    waiting: Counter[str] = Counter()
    for job_id, state in status.slurm.items():
        if job_id.partition("_")[0] in ids and job_id not in joined and _waits(state):
            waiting[state.reason] += 1
    return [
        f"{counted(n, 'worker job')} {'waits' if n == 1 else 'wait'}; {describe_reason(reason)}"
        for reason, n in waiting.most_common()
    ]


def _noted(status: RunStatus) -> list[str]:
    """Return what the head noted last, unless a worker has joined since: then it is settled."""
    noted = status.run_state.noted
    if noted is None or any(r.joined.t > noted.t for r in status.run_state.workers.values()):
        return []
    return [noted.text]


def _waits(state: JobState) -> bool:
    return state.phase == "waiting"


def _too_small(status: RunStatus) -> list[str]:
    """Say so when no worker that is here can hold a task."""
    needs = status.plan.task_settings
    here = [r.joined for r in status.run_state.workers.values() if r.left is None]
    if any(w.cores >= needs.cores and w.memory_mib >= needs.memory_mib for w in here):
        return []
    cores, memory = max((w.cores, w.memory_mib) for w in here)
    return [
        f"no worker is large enough: a task needs {counted(needs.cores, 'core')} and "
        f"{needs.memory_mib} MiB, the largest worker has {cores} and {memory}"
    ]


def _too_short(status: RunStatus, now: float) -> list[str]:
    """Say so when workers hand tasks back because their time is nearly over."""
    here = [r.joined for r in status.run_state.workers.values() if r.left is None]
    ends = [w.ends_at for w in here if w.ends_at]
    if len(ends) < len(here) or status.counts.running:
        return []
    last = ""
    for entry in replay(status.run_dir):
        if isinstance(entry.event, Returned):
            last = entry.event.why if entry.event.handed_back else ""
    if not last:
        return []
    longest = human_duration(max(0.0, max(ends) - now))
    return [f"no worker lives long enough ({last}); the longest has {longest}"]


def _budget(retries: Retries, kind: str) -> str:
    if kind == FailureKind.POISON:
        return "such a task is not tried again"
    most = retries.limit(kind)
    if not most:
        return f"{kind} has no retries"
    return f"its budget for {kind} is used up ({most} {'retry' if most == 1 else 'retries'})"


def _left_of(retries: Retries, kind: str, used: int) -> str:
    """Return how many more tries a waiting task has for this kind of failure."""
    left = max(0, retries.limit(kind) - used)
    return f"of its budget for {kind}, {left} {'retry is' if left == 1 else 'retries are'} left"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
