"""The requests of the commands: one function of the daemon per request, by its name.

A function takes the server, the client and the message, and replies; a `Refusal` becomes an
error reply with Slurm's message.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hpckit.emulator import protocol
from hpckit.emulator.core import admin, arrays, formats, hostlist, model, placement, running, steps
from hpckit.emulator.core.refusal import Refusal
from hpckit.emulator.daemon import faults, stdio, submission, views
from hpckit.emulator.daemon.launcher import StepPlan
from hpckit.emulator.daemon.server import Client, Server

Handler = Callable[[Server, Client, dict[str, Any]], None]


def serve(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Answer one request, now or after the delay of a slow controller."""
    try:
        if message.get("op") != "shutdown":  # a command of any version can end the daemon
            protocol.check_version(message, server.config.name)
    except protocol.VersionMismatch:
        theirs = message.get("wire", 1)
        text = f"this daemon uses version {protocol.VERSION} of the protocol, not {theirs}"
        client.reply({"error": "version", "text": text})
        return
    if server.delay_s and message.get("op") not in AT_ONCE:
        server.after(server.delay_s, lambda: _answer(server, client, message))
    else:
        _answer(server, client, message)


def _answer(server: Server, client: Client, message: dict[str, Any]) -> None:
    handler = HANDLERS.get(message.get("op", ""))
    if handler is None:
        client.reply({"error": "unknown", "text": f"Unknown request {message.get('op')!r}"})
        return
    try:
        handler(server, client, message)
    except Refusal as refusal:
        client.reply({"error": refusal.code, "text": refusal.text})
    except Exception as error:  # a bug must not end everybody's jobs
        import traceback

        server.log(traceback.format_exc())
        client.reply({"error": "internal", "text": f"emulator bug: {error!r}"})


# -- submission ----------------------------------------------------------------------------


def submit(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Serve sbatch: check and queue the job, keep the script, reply with the job's id."""
    now = server.clock.now()
    array = _array_of(server, message)
    request = submission.request_from(message, now)
    machine = server.machine
    machine.check(request)
    spool = _spool(server, machine.next_job_id, message)
    import dataclasses

    request = dataclasses.replace(request, spool=spool)
    job = machine.submit(request, now, array=array, hold="hold" in message["options"])
    if message.get("follow"):
        _follow_job(server, client, job.job_id)
    client.reply(
        {"job_id": job.job_id, "cluster": server.config.name}, last=not message.get("follow")
    )


def _array_of(server: Server, message: dict[str, Any]) -> tuple[list[int], int] | None:
    text = message["options"].get("array")
    if text is None:
        return None
    try:
        return arrays.parse(text, server.config.max_array_size)
    except ValueError:
        raise Refusal("array") from None


def _spool(server: Server, job_id: int, message: dict[str, Any]) -> str:
    import json
    import shutil

    directory = server.state_dir / "spool" / f"job{job_id:05}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    script = directory / "slurm_script"
    script.write_text(message.get("script", ""), errors="surrogateescape")
    script.chmod(0o700)
    meta = directory / "meta.json"
    meta.touch(mode=0o600)
    meta.write_text(json.dumps({"env": message["env"], "umask": message["umask"]}))
    return str(directory)


def test_only(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Serve ``sbatch --test-only``: reply when and where the job would start."""
    now = server.clock.now()
    _array_of(server, message)
    request = submission.request_from(message, now)
    machine = server.machine
    machine.check(request)
    names = request.partitions or (machine.default_partition().name,)
    partition = machine.partitions[names[0]]
    nodes = [n for n in machine.candidates(request, partition) if n.usable]
    per_cpu = machine.default_memory_per_cpu_mib
    shares = placement.place(request, [placement.Free.now(n) for n in nodes], per_cpu)
    when = now
    if shares is None:
        shares = placement.place(request, [placement.Free.empty(n) for n in nodes], per_cpu) or []
        ends = [j.end_by for i in machine.active if (j := machine.jobs[i]).end_by is not None]
        when = max([e for e in ends if e is not None], default=now)
    client.reply({
        "job_id": machine.next_job_id, "start": formats.stamp(max(when, request.begin)),
        "cpus": sum(s.cpus for s in shares), "partition": partition.name,
        "nodes": hostlist.compress(s.node for s in shares),
    })  # fmt: skip


def _follow_job(server: Server, client: Client, job_id: int) -> None:
    """Reply once a job (all tasks of an array) is over."""

    def over() -> bool:
        if client.sock.fileno() < 0:
            return True
        family = server.machine.jobs_of(job_id)
        if any(job.state not in model.FINAL for job in family):
            return False
        codes = [job.exit_status[0] for job in family]
        bad = [j for j in family if j.state != model.COMPLETED]
        client.reply({"over": job_id, "exit": max(codes, default=0) or int(bool(bad))})
        return True

    server.waiting.append(over)


# -- questions -----------------------------------------------------------------------------


def jobs(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Serve squeue and ``scontrol show job``: the jobs that the controller lists."""
    now = server.clock.now()
    found = [
        views.job(server.machine, job, now)
        for job in views.ordered(server.machine)
        if not (message.get("unfinished") and job.state in model.FINAL)
    ]
    client.reply({"jobs": found, "now": now})


def script(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Serve ``scontrol write batch_script``: a job's script as it was submitted."""
    job, _ = admin.select(server.machine, message["target"])[0]
    path = server.launcher.spool(job) / "slurm_script"
    client.reply({"text": path.read_text(errors="surrogateescape")})


def cluster(server: Server, client: Client, _message: dict[str, Any]) -> None:
    """Serve sinfo and ``scontrol show node``, ``partition`` and ``config``."""
    client.reply(views.cluster(server.machine, server.clock.now(), server.started,
                               str(server.state_dir)))  # fmt: skip


def status(server: Server, client: Client, _message: dict[str, Any]) -> None:
    """Serve the emulator's own status."""
    client.reply({"pid": os.getpid(), "config": server.config.to_json(),
                  "namespaces": server.launcher.namespaces,
                  **views.status(server.machine)})  # fmt: skip


# -- signals and changes -------------------------------------------------------------------


def cancel(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Serve scancel: end or signal the chosen jobs and steps."""
    client.reply(admin.cancel(server.machine, message, server.clock.now()))


def change(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Serve ``scontrol hold``, ``release``, ``requeue`` and ``update``, also of nodes."""
    admin.change(server.machine, message, server.clock.now())
    if message["what"].startswith("node"):
        server.remember_nodes()
    client.reply({"ok": True})


# -- steps ---------------------------------------------------------------------------------


def allocate(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Serve srun outside a job: an allocation that ends with srun's connection."""
    now = server.clock.now()
    request = submission.request_from({**message, "interactive": True}, now)
    job = server.machine.submit(request, now)
    client.reply({"job_id": job.job_id}, last=False)

    def started() -> bool:
        if client.sock.fileno() < 0 or job.state in model.FINAL:
            if client.sock.fileno() >= 0:
                client.reply({"error": "revoked", "text": "Job allocation has been revoked"})
            return True
        if job.state == model.PENDING:
            return False
        client.reply({"started": job.job_id}, last=False)
        return True

    def gone() -> None:
        if job.state == model.PENDING:
            running.cancel_pending(server.machine, job, server.clock.now(), by=os.geteuid())
        else:
            running.end_job(server.machine, job, job.derived_status, server.clock.now())

    client.on_close = gone
    server.waiting.append(started)


def step(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Serve srun: start a step and report how its tasks end; reply ``busy`` if it must wait."""
    machine = server.machine
    job = machine.jobs.get(message["job_id"])
    if job is None:
        raise Refusal("invalid_job")
    numbers = client.inbox.fds[:]
    client.inbox.fds.clear()
    wanted: dict[str, Any] = message["request"]
    for name in ("nodelist", "exclude"):
        wanted[name] = tuple(hostlist.expand(wanted.get(name, "")))
    try:
        made = steps.create(machine, job, model.StepRequest(**wanted), server.clock.now())
    except (Refusal, ValueError):
        for number in numbers:
            os.close(number)
        raise
    about = message["files"]
    files = stdio.Files(
        about.get("stdin", ""), about.get("stdout", ""), about.get("stderr", ""),
        append=about.get("append", False), fds=dict(zip(about["fds"], numbers, strict=True)),
    )  # fmt: skip
    server.launcher.plans[(job.job_id, made.step_id)] = StepPlan(
        message["argv"], message["env"], message["cwd"], message["umask"], files,
        message.get("extra_env", {}),
    )  # fmt: skip
    client.reply({"step_id": made.step_id, "nodes": made.nodes, "tasks": made.tasks}, last=False)
    follow_step(server, client, {"job_id": job.job_id, "step_id": made.step_id})


def follow_step(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Report each task's end, and the step's, to srun; also after a restart of the daemon."""
    machine = server.machine
    job = machine.jobs.get(message["job_id"])
    if job is None or message["step_id"] not in job.steps:
        raise Refusal("invalid_job")
    step_record, told, life = (
        job.steps[message["step_id"]],
        set(message.get("told", ())),
        job.restarts,
    )

    heard = [0]

    def progress() -> bool:
        if client.sock.fileno() < 0:
            return True
        over = not step_record.live or job.restarts != life
        for lines in step_record.notices[heard[0] :]:
            client.reply({"notice": lines}, last=False)
            heard[0] += 1
        fresh = {t: s for t, s in step_record.status.items() if t not in told}
        told.update(fresh)
        if fresh or over:
            client.reply({
                "status": fresh, "over": over, "state": step_record.state,
                "job_state": job.state if job.restarts == life else model.CANCELLED,
                "why": job.ending, "forced": step_record.forced,
            }, last=over and client.on_close is None)  # fmt: skip
        return over

    server.waiting.append(progress)


HANDLERS: dict[str, Handler] = {
    "submit": submit, "test_only": test_only, "jobs": jobs, "cluster": cluster, "status": status,
    "script": script, "cancel": cancel, "change": change, "allocate": allocate, "step": step,
    "follow_step": follow_step, **faults.HANDLERS,
}  # fmt: skip
AT_ONCE = frozenset({"status", *faults.HANDLERS})  # not Slurm's commands: never delayed
