"""Text that shows a run and a task to a person."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hpckit.model.units import counted, human_duration
from hpckit.report.pace import Pace, measure_pace, rate_words
from hpckit.report.tables import one_line
from hpckit.run.jobs import SubmittedJob
from hpckit.run.state import DONE, FAILED
from hpckit.run.status import FINAL, RunStatus
from hpckit.run.tasks import read_task
from hpckit.slurm.states import UNKNOWN, JobState

_STATES = {DONE: "done", FAILED: "failed"}
_LABEL = 9  # columns of what stands before a fact


def run_document(found: RunStatus) -> dict[str, Any]:
    """Return ``hpckit.status/1``: the status and the pace."""
    return {**found.to_dict(), **measure_pace(found).to_dict()}


def run_lines(found: RunStatus) -> Iterator[str]:
    """Yield how a run stands: a line a fact, and what to type next."""
    plan = found.plan
    why = "" if found.state in found.why else found.why  # "cancelled: it was cancelled"
    yield f"{plan.run}: {found.state}" + (f": {why}" if why else "")
    facts = (
        ("tasks", _tasks(found)),
        ("pace", _pace(measure_pace(found), idle=_deserted(found))),
        ("time", _time(found)),
        ("engine", f"{plan.backend}, {plan.shape} shape, site {plan.site}"),
        ("head", _head(found)),
        ("workers", _workers(found)),
        *(("job", text) for text in _jobs(found)),
        ("files", str(found.run_dir.root)),
        *(("next", text) for text in _next(found)),
    )
    for label, text in facts:
        if text:
            yield f"  {label:{_LABEL}}{text}"


def _tasks(found: RunStatus) -> str:
    counts, total = found.counts, found.plan.tasks
    parts = [f"{counts.done} of {total} done ({100 * counts.done // total} %)"]
    named = (("failed", counts.failed), ("running", counts.running), ("waiting", counts.waiting))
    return ", ".join((*parts, *(f"{number} {name}" for name, number in named if number)))


def _pace(pace: Pace, *, idle: bool) -> str:
    """Return the pace; the time left only while somebody is there to keep it."""
    if not pace.tasks_per_s:
        return ""
    text = rate_words(pace.tasks_per_s)
    if pace.left_s is None:
        return text
    if idle:
        return f"{text} lately; no worker is here now"
    now = time.time()
    form = "%H:%M" if pace.left_s < 12 * 3600 else "%Y-%m-%d %H:%M"
    then = time.strftime(form, time.localtime(now + pace.left_s))
    return f"{text} lately; about {human_duration(pace.left_s)} left, until {then}"


def _deserted(found: RunStatus) -> bool:
    """Return True if workers have joined, and all of them have left."""
    records = found.run_state.workers.values()
    return bool(records) and all(record.left for record in records)


def _time(found: RunStatus) -> str:
    if not found.makespan_s:
        return ""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.run_state.first_at))
    return f"{human_duration(found.makespan_s)} since {began}, when the first head started"


def _head(found: RunStatus) -> str:
    opened = found.run_state.opened
    if opened is None:
        return ""
    nth = f", the {opened.incarnation}. of this run" if opened.incarnation > 1 else ""
    return f"job {opened.job_id} on {opened.node}, pid {opened.pid}{nth}"


def _workers(found: RunStatus) -> str:
    """Return how many are here, and why others went, in one line."""
    workers, over = found.to_dict()["workers"], found.state in FINAL
    if not workers:
        return "none has joined yet" if found.state == "running" else ""
    records = found.run_state.workers
    here = [worker["name"] for worker in workers if worker["state"] == "here"]
    cores = sum(records[name].joined.cores for name in here)
    parts = [
        f"{len(workers)} took part" if over else f"{len(here)} here with {counted(cores, 'core')}"
    ]
    lefts = {name: record.left for name, record in records.items()}
    went = Counter(
        worker["end_reason"] or "no reason known"
        for worker in workers
        if (left := lefts[worker["name"]]) and not (over and left.orderly)
    )
    if went:
        parts.append(f"{went.total()} {'lost' if over else 'left'} ({_tally(went)})")
    return ", ".join(parts)


def _tally(reasons: Counter[str]) -> str:
    items = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(name if number == 1 else f"{name}: {number}" for name, number in items)


def _jobs(found: RunStatus) -> Iterator[str]:
    """Yield a line for each submitted job; the elements of an array are counted by state."""
    by_job: dict[str, list[JobState]] = {}
    for key, state in found.slurm.items():
        by_job.setdefault(key.partition("_")[0], []).append(state)
    for job in found.jobs:
        told = job_words(by_job.get(job.job_id, ())) if found.slurm else "Slurm did not say"
        yield f"{job.job_id} ({job.role}{_array(job)}): {told}"


def _array(job: SubmittedJob) -> str:
    return f" {job.array}" if job.array else ""


def job_words(states: Iterable[JobState]) -> str:
    """Return the states of a job or of an array: ``3 RUNNING, 1 PENDING (Resources)``."""
    counts = Counter(_state_words(state) for state in states)
    if set(counts) <= {UNKNOWN}:
        return "not known to Slurm (any more)"
    if counts.total() == 1:
        return next(iter(counts))
    return ", ".join(f"{number} {name}" for name, number in counts.most_common())


def _state_words(state: JobState) -> str:
    if state.phase == "ended":
        return state.end_reason
    reason = f" ({state.reason})" if state.reason and state.phase == "waiting" else ""
    return state.state + reason


def _next(found: RunStatus) -> Iterator[str]:
    """Yield what to type next."""
    run, counts = found.plan.run, found.counts
    if found.state in ("waiting", "running"):
        yield f"`hpckit wait {run}` follows it; `hpckit cancel {run}` ends it"
    if counts.failed:
        again = (
            f"; `hpckit resume {run} --failed` runs them again" if found.state == "failed" else ""
        )
        yield f"`hpckit failures {run}` says why tasks failed{again}"
    if found.state in ("stopped", "cancelled"):
        yield f"`hpckit resume {run}` goes on with what is left; `hpckit logs {run}` shows its logs"
    if counts.done and found.state in ("done", "failed"):
        yield f"`hpckit results {run}` shows the results"


def task_document(found: RunStatus, index: int) -> dict[str, Any]:
    """Return all that is known of one task (``hpckit.task/1``).

    Raises:
        InputError: there is no such task.
    """
    task = read_task(found.run_dir, index, found.plan.tasks)
    attempt = found.run_state.last.get(index)
    body: dict[str, Any] = {
        "schema": "hpckit.task/1",
        "run": found.plan.run,
        "state": _STATES.get(found.run_state.status[index], "waiting"),
        **task.to_dict(),
    }
    if attempt is not None:
        row = attempt.row
        body["last_attempt"] = {
            "attempt": row.attempt,
            "worker": attempt.worker,
            "kind": row.kind,
            "exit_code": row.exit_code,
            "signal": row.signal,
            "started_at": row.started_at,
            "wall_s": row.wall_s,
            "cpu_s": row.cpu_s,
            "max_rss_mib": row.max_rss_mib,
            "message": row.message,
        }
    task_settings = found.plan.task_settings
    body["allocated"] = {"cores": task_settings.cores, "memory_mib": task_settings.memory_mib}
    return body


def task_lines(body: dict[str, Any]) -> Iterator[str]:
    """Yield one task's document for people."""
    yield f"task {body['index']} of {body['run']}: {body['state']}"
    what = shlex.join(body["argv"]) if "argv" in body else body.get("function", "")
    facts = [("runs", what)]
    for name in ("params", "kwargs"):
        facts += [(name[:-1], f"{key} = {value}") for key, value in body.get(name, {}).items()]
    facts += [("output", path) for path in body.get("outputs", ())]
    allocated = body["allocated"]
    memory = f", {allocated['memory_mib']} MiB" if allocated["memory_mib"] else ""
    facts += [("given", f"cores {allocated['cores']}{memory}"), *_attempt(body)]
    for label, text in facts:
        yield f"  {label:{_LABEL}}{one_line(text)}"


def _attempt(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    last = body.get("last_attempt")
    if last is None:
        yield "attempt", "none has come back yet"
        return
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last["started_at"]))
    yield "attempt", f"{last['attempt']} at {when} on {last['worker']}: {last['kind']}"
    wall, cpu = human_duration(last["wall_s"]), human_duration(last["cpu_s"])
    yield "used", f"{wall} wall, {cpu} CPU, {last['max_rss_mib']:.0f} MiB"
    if last["message"]:
        yield "why", last["message"]
    where = f"{body['run']} --task {body['index']}"
    yield "next", f"`hpckit logs {where}` shows what it printed, with --stderr its errors"
