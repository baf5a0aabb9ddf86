"""How a run, a task and their logs read at the prompt."""

from __future__ import annotations

import time
from typing import Any

from hpckit.cli import say
from hpckit.errors import InputError
from hpckit.run.output import Output, read_output
from hpckit.run.rundir import RunDir
from hpckit.run.state import DONE, FAILED
from hpckit.run.status import RunStatus, read_status
from hpckit.run.tasks import read_task
from hpckit.spec.units import human_duration

_STATES = {DONE: "done", FAILED: "failed"}


def run(found: RunStatus) -> None:
    """Print how a run stands."""
    plan, counts, opened = found.plan, found.counts, found.record.opened
    say.line(f"{plan.run}: {found.word}" + (f": {found.why}" if found.why else ""))
    say.line(
        f"  tasks    {counts.done} done, {counts.failed} failed, {counts.running} running, "
        f"{counts.waiting} waiting, of {plan.tasks}"
    )
    if found.makespan_s:
        say.line(f"  time     {human_duration(found.makespan_s)} since the first head started")
    say.line(f"  on       {plan.backend}, {plan.shape} shape, site {plan.site}")
    if opened:
        say.line(f"  head     job {opened.job_id} on {opened.node}, pid {opened.pid}")
    for name, record in found.record.workers.items():
        left = record.left
        body = found.to_dict()["workers"] if left else []
        why = next((w["end_reason"] for w in body if w["name"] == name), "")
        state = f"left: {why}" if left else f"{record.joined.cores} cores on {record.joined.node}"
        say.line(f"  worker   {name}: {state}")
    for job in found.to_dict()["jobs"]:
        states = ", ".join(
            f"{job_id} {state}"
            + (f" ({job['reasons'][job_id]})" if job_id in job["reasons"] else "")
            for job_id, state in job["states"].items()
        )
        say.line(f"  job      {job['job_id']} ({job['role']}): {states or 'not known to Slurm'}")
    say.line(f"  files    {found.run_dir.root}")
    if counts.failed:
        say.line("Why tasks failed: `hpckit failures " + plan.run + "`")


def task_document(found: RunStatus, index: int) -> dict[str, Any]:
    """Return all that is known of one task (``hpckit.task/1``).

    Raises:
        InputError: there is no such task.
    """
    task = read_task(found.run_dir, index, found.plan.tasks)
    attempt = found.record.last.get(index)
    body: dict[str, Any] = {
        "schema": "hpckit.task/1",
        "run": found.plan.run,
        "state": _STATES.get(found.record.status[index], "waiting"),
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
    surroundings = found.plan.surroundings
    body["allocated"] = {"cores": surroundings.cores, "memory_mib": surroundings.memory_mib}
    return body


def task(body: dict[str, Any]) -> None:
    """Print one task's document for people."""
    import shlex

    say.line(f"task {body['index']} of {body['run']}: {body['state']}")
    what = shlex.join(body["argv"]) if "argv" in body else body.get("function", "")
    say.line(f"  runs     {what}")
    for name in ("params", "kwargs"):
        for key, value in body.get(name, {}).items():
            say.line(f"  {name[:-1]:8} {key} = {value}")
    for path in body.get("outputs", ()):
        say.line(f"  output   {path}")
    last = body.get("last_attempt")
    if last is None:
        say.line("  attempts none has come back yet")
        return
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last["started_at"]))
    ended = last["kind"] if last["signal"] is None else f"{last['kind']} {last['signal']}"
    say.line(f"  attempt  {last['attempt']} at {when} on {last['worker']}: {ended}")
    say.line(
        f"  used     {human_duration(last['wall_s'])} wall, {human_duration(last['cpu_s'])} CPU, "
        f"{last['max_rss_mib']:.0f} MiB"
    )
    if last["message"]:
        say.line(f"  why      {last['message']}")


def job_logs(run_dir: RunDir, *, as_json: bool) -> None:
    """Print what Slurm captured of the run's jobs, oldest file first."""
    files = sorted(run_dir.logs.glob("*"), key=lambda path: path.stat().st_mtime)
    if as_json:
        texts = [{"name": f.name, "text": f.read_text(errors="replace")} for f in files]
        say.document({"schema": "hpckit.logs/1", "run": run_dir.root.name, "logs": texts})
        return
    if not files:
        say.note(f"no job of {run_dir.root.name} has written a log yet; see `hpckit status`")
    for file in files:
        say.line(f"==> {file} <==")
        say.raw(file.read_text(errors="replace"))


def task_log(run_dir: RunDir, index: int, *, stderr: bool, as_json: bool) -> None:
    """Print what a task's last attempt printed.

    Raises:
        InputError: there is no such task, or none of its attempts has come back.
    """
    found = read_status(run_dir)
    read_task(run_dir, index, found.plan.tasks)
    attempt = found.record.last.get(index)
    if attempt is None:
        raise InputError(
            f"task {index} of {found.plan.run} has printed nothing yet: no attempt has come back",
            hint="See how the run stands with `hpckit status`.",
        )
    printed = read_output(run_dir, attempt.incarnation, attempt.row.output_at)
    printed = printed or Output(index=index, attempt=attempt.row.attempt)
    if as_json:
        body = {"schema": "hpckit.tasklog/1", "run": found.plan.run, "index": index}
        say.document({**body, "stdout": printed.stdout, "stderr": printed.stderr})
    else:
        say.raw(printed.stderr if stderr else printed.stdout)
