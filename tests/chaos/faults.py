"""The faults: each function injects one into a run, and returns what proves its effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tests.chaos import journal_reader
from tests.chaos.run_under_test import InjectedFault, RunUnderTest, node_of, worker_of


def kill_loop(run: RunUnderTest) -> InjectedFault:
    loop, before = run.main_loop_process(), run.incarnations()
    loop.kill()
    return InjectedFault(f"kill -9 of the loop {loop.pid}", lambda: run.newer_head(before))


def term_loop(run: RunUnderTest) -> InjectedFault:
    loop, before = run.main_loop_process(), run.incarnations()
    loop.terminate()
    return InjectedFault(f"SIGTERM to the loop {loop.pid}", lambda: run.newer_head(before))


def kill_supervisor(run: RunUnderTest) -> InjectedFault:
    supervisor, job = run.supervisor_process(), run.head_job()
    supervisor.kill()
    return InjectedFault(
        f"kill -9 of the supervisor {supervisor.pid} of job {job}",
        lambda: run.ended_as(job, "FAILED", "CANCELLED"),
    )


def kill_worker(run: RunUnderTest) -> InjectedFault:
    worker, since = run.worker_process(), time.time()
    name = worker_of(worker)
    worker.kill()
    return InjectedFault(f"kill -9 of worker {name}", lambda: run.leave_event(name, since))


def term_worker(run: RunUnderTest) -> InjectedFault:
    worker, since = run.worker_process(), time.time()
    name = worker_of(worker)
    worker.terminate()
    return InjectedFault(f"SIGTERM to worker {name}", lambda: run.leave_event(name, since))


def kill_engine(run: RunUnderTest) -> InjectedFault:
    words = f"the worker of {run.backend} ended with"
    before, engine = run.logged(words), run.engine_process()
    name = engine.name()
    engine.kill()
    return InjectedFault(
        f"kill -9 of {name} {engine.pid}",
        lambda: f"log: {words} …" if run.logged(words) > before else "",
    )


def kill_daemon(run: RunUnderTest) -> InjectedFault:
    pid = run.cluster.kill_daemon()

    def evidence() -> str:
        run.cluster.slurm("squeue")
        now = run.cluster.daemon()
        return f"the daemon is {now}, was {pid}" if now not in (0, pid) else ""

    return InjectedFault(f"kill -9 of the emulator's daemon {pid}", evidence)


def scancel_worker(run: RunUnderTest) -> InjectedFault:
    job = worker_of(run.worker_process()).partition("-")[0].partition("r")[0]
    run.cluster.slurm("scancel", job)
    return InjectedFault(f"scancel {job}", lambda: run.ended_as(job, "CANCELLED"))


def requeue(run: RunUnderTest) -> InjectedFault:
    job, before = run.head_job(), run.incarnations()
    run.cluster.slurm("scontrol", "requeue", job)
    return InjectedFault(
        f"scontrol requeue {job}",
        lambda: run.ended_as(job, "REQUEUED", "CANCELLED") and run.newer_head(before),
    )


def time_limit(run: RunUnderTest) -> InjectedFault:
    """Let the head's job reach its time limit (it is requeued and goes on), or a worker's."""
    if run.shape == "array" and run.rng.random() < 0.5:
        job = worker_of(run.worker_process()).partition("-")[0].partition("r")[0]
        run.cluster.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        return InjectedFault(
            f"TimeLimit=1 of worker job {job}", lambda: run.ended_as(job, "TIMEOUT")
        )
    job, before = run.head_job(), run.incarnations()
    earlier = len(
        run.all_ended_as(job, "REQUEUED", "TIMEOUT")
    )  # another fault may have requeued it
    run.cluster.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=1")

    def evidence() -> str:
        if len(run.all_ended_as(job, "REQUEUED", "TIMEOUT")) <= earlier:
            return ""
        run.cluster.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=20", check=False)
        return run.newer_head(before) or run.ended_as(job, "TIMEOUT")

    return InjectedFault(f"TimeLimit=1 of head job {job}", evidence)


def preemption(run: RunUnderTest) -> InjectedFault:
    """Submit a job of higher priority that wants a whole node."""
    node = node_of(run.worker_process())
    first, _ = run.cluster.preempting
    words = ["--parsable", "-p", first, "-w", node, "--exclusive", "-t", "1", "-o", "/dev/null"]
    other = run.cluster.slurm("sbatch", *words, "--wrap", "sleep 3").strip().partition(";")[0]
    return InjectedFault(
        f"job {other} of partition {first} wants {node}",
        lambda: next(
            (f for job in run.jobs("head", "workers", "allocation")
             if (f := run.ended_as(job, "PREEMPTED"))), ""
        ),
        lambda: void(run.cluster.slurm("scancel", other, check=False)),
    )  # fmt: skip


def node_kill(run: RunUnderTest) -> InjectedFault:
    node, before, since = node_of(run.worker_process()), run.incarnations(), time.time()
    with_head = node == node_of(run.main_loop_process())
    run.cluster.kill_node(node)

    def evidence() -> str:
        if with_head:
            return run.newer_head(before)
        return _explained(run, node, since)

    what = f"node {node} is killed" + (", the head's" if with_head else "")
    return InjectedFault(what, evidence, lambda: run.cluster.mend_node(node))


def network_cut(run: RunUnderTest) -> InjectedFault:
    node, before, since = node_of(run.worker_process()), run.incarnations(), time.time()
    with_head = node == node_of(run.main_loop_process())
    job = run.head_job()
    assert run.cluster.real
    run.cluster.real.faults.cut_network(node)

    def evidence() -> str:
        if with_head:  # the job comes back, or has ended and waits for `hpckit resume`
            return run.newer_head(before) or run.ended_as(job, "FAILED", "NODE_FAIL")
        return _explained(run, node, since)

    what = f"node {node} is cut off" + (", the head's" if with_head else "")
    return InjectedFault(what, evidence, lambda: run.cluster.mend_node(node))


def _explained(run: RunUnderTest, node: str, since: float) -> str:
    for event in journal_reader.events_of_kind(run.run_dir, "explained"):
        if event["worker"].endswith(f"-{node}") and event["t"] >= since:
            return f"journal: {event['worker']} was lost: {event['reason']}"
    return ""


def controller_outage(run: RunUnderTest) -> InjectedFault:
    run.cluster.stop_controller()
    since = time.monotonic()

    def evidence() -> str:
        try:
            run.cluster.slurm("squeue")
        except RuntimeError as error:
            away = time.monotonic() - since
            return f"squeue: {str(error).splitlines()[-1]}" if away > 5 else ""
        return ""

    return InjectedFault("the controller is down", evidence, run.cluster.start_controller)


def disk_full(run: RunUnderTest) -> InjectedFault:
    job = run.head_job()
    filler = run.cluster.fill_disk()

    def evidence() -> str:
        found = run.ended_as(job, "FAILED")
        return found if found.endswith("3:0") else ""

    return InjectedFault(
        "the disk of the runs is full", evidence, lambda: filler.unlink(missing_ok=True)
    )


def void(_: object) -> None:
    """Discard a value."""


INJECTORS: Final[dict[str, Callable[[RunUnderTest], InjectedFault]]] = {
    "kill-loop": kill_loop, "kill-supervisor": kill_supervisor, "kill-worker": kill_worker,
    "kill-engine": kill_engine, "kill-daemon": kill_daemon, "term-worker": term_worker,
    "term-loop": term_loop, "scancel-worker": scancel_worker, "requeue": requeue,
    "time-limit": time_limit, "preemption": preemption, "node-kill": node_kill,
    "network-cut": network_cut, "controller-outage": controller_outage, "disk-full": disk_full,
}  # fmt: skip
