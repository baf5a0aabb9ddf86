"""The faults: each does one thing to a running run, and knows what proves that it took effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tests.chaos import journal
from tests.chaos.scene import Scene, Strike, node_of, worker_of


def kill_loop(scene: Scene) -> Strike:
    loop, before = scene.loop(), scene.incarnations()
    loop.kill()
    return Strike(f"kill -9 of the loop {loop.pid}", lambda: scene.new_head(before))


def term_loop(scene: Scene) -> Strike:
    loop, before = scene.loop(), scene.incarnations()
    loop.terminate()
    return Strike(f"SIGTERM to the loop {loop.pid}", lambda: scene.new_head(before))


def kill_supervisor(scene: Scene) -> Strike:
    supervisor, job = scene.supervisor(), scene.head_job()
    supervisor.kill()
    return Strike(
        f"kill -9 of the supervisor {supervisor.pid} of job {job}",
        lambda: scene.life(job, "FAILED", "CANCELLED"),
    )


def kill_worker(scene: Scene) -> Strike:
    worker, since = scene.worker(), time.time()
    name = worker_of(worker)
    worker.kill()
    return Strike(f"kill -9 of worker {name}", lambda: scene.left(name, since))


def term_worker(scene: Scene) -> Strike:
    worker, since = scene.worker(), time.time()
    name = worker_of(worker)
    worker.terminate()
    return Strike(f"SIGTERM to worker {name}", lambda: scene.left(name, since))


def kill_engine(scene: Scene) -> Strike:
    words = f"the worker of {scene.backend} ended with"
    before, engine = scene.logged(words), scene.engine()
    name = engine.name()
    engine.kill()
    return Strike(
        f"kill -9 of {name} {engine.pid}",
        lambda: f"log: {words} …" if scene.logged(words) > before else "",
    )


def kill_daemon(scene: Scene) -> Strike:
    pid = scene.slurm_site.kill_daemon()

    def evidence() -> str:
        scene.slurm_site.slurm("squeue")
        now = scene.slurm_site.daemon()
        return f"the daemon is {now}, was {pid}" if now not in (0, pid) else ""

    return Strike(f"kill -9 of the emulator's daemon {pid}", evidence)


def scancel_worker(scene: Scene) -> Strike:
    job = worker_of(scene.worker()).partition("-")[0].partition("r")[0]
    scene.slurm_site.slurm("scancel", job)
    return Strike(f"scancel {job}", lambda: scene.life(job, "CANCELLED"))


def requeue(scene: Scene) -> Strike:
    job, before = scene.head_job(), scene.incarnations()
    scene.slurm_site.slurm("scontrol", "requeue", job)
    return Strike(
        f"scontrol requeue {job}",
        lambda: scene.life(job, "REQUEUED", "CANCELLED") and scene.new_head(before),
    )


def time_limit(scene: Scene) -> Strike:
    """The time of the head's job is up (it is warned, requeued and goes on), or a worker's."""
    if scene.shape == "array" and scene.chance.random() < 0.5:
        job = worker_of(scene.worker()).partition("-")[0].partition("r")[0]
        scene.slurm_site.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        return Strike(f"TimeLimit=1 of worker job {job}", lambda: scene.life(job, "TIMEOUT"))
    job, before = scene.head_job(), scene.incarnations()
    earlier = len(scene.lives(job, "REQUEUED", "TIMEOUT"))  # another fault may have requeued it
    scene.slurm_site.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=1")

    def evidence() -> str:
        if len(scene.lives(job, "REQUEUED", "TIMEOUT")) <= earlier:
            return ""
        scene.slurm_site.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=20", check=False)
        return scene.new_head(before) or scene.life(job, "TIMEOUT")

    return Strike(f"TimeLimit=1 of head job {job}", evidence)


def preemption(scene: Scene) -> Strike:
    """A job that goes before ours wants a whole node."""
    node = node_of(scene.worker())
    first, _ = scene.slurm_site.preempting
    words = ["--parsable", "-p", first, "-w", node, "--exclusive", "-t", "1", "-o", "/dev/null"]
    other = scene.slurm_site.slurm("sbatch", *words, "--wrap", "sleep 3").strip().partition(";")[0]
    return Strike(
        f"job {other} of partition {first} wants {node}",
        lambda: next(
            (f for job in scene.jobs("head", "workers", "allocation")
             if (f := scene.life(job, "PREEMPTED"))), ""
        ),
        lambda: void(scene.slurm_site.slurm("scancel", other, check=False)),
    )  # fmt: skip


def node_kill(scene: Scene) -> Strike:
    node, before, since = node_of(scene.worker()), scene.incarnations(), time.time()
    with_head = node == node_of(scene.loop())
    scene.slurm_site.kill_node(node)

    def evidence() -> str:
        if with_head:
            return scene.new_head(before)
        return _explained(scene, node, since)

    what = f"node {node} is killed" + (", the head's" if with_head else "")
    return Strike(what, evidence, lambda: scene.slurm_site.mend_node(node))


def network_cut(scene: Scene) -> Strike:
    node, before, since = node_of(scene.worker()), scene.incarnations(), time.time()
    with_head = node == node_of(scene.loop())
    job = scene.head_job()
    assert scene.slurm_site.real
    scene.slurm_site.real.faults.cut_network(node)

    def evidence() -> str:
        if with_head:  # the job comes back, or has ended and waits for `hpckit resume`
            return scene.new_head(before) or scene.life(job, "FAILED", "NODE_FAIL")
        return _explained(scene, node, since)

    what = f"node {node} is cut off" + (", the head's" if with_head else "")
    return Strike(what, evidence, lambda: scene.slurm_site.mend_node(node))


def _explained(scene: Scene, node: str, since: float) -> str:
    for event in journal.of_kind(scene.run_dir, "explained"):
        if event["worker"].endswith(f"-{node}") and event["t"] >= since:
            return f"journal: {event['worker']} went because of {event['reason']}"
    return ""


def controller_outage(scene: Scene) -> Strike:
    scene.slurm_site.stop_controller()
    since = time.monotonic()

    def evidence() -> str:
        try:
            scene.slurm_site.slurm("squeue")
        except RuntimeError as error:
            away = time.monotonic() - since
            return f"squeue: {str(error).splitlines()[-1]}" if away > 5 else ""
        return ""

    return Strike("the controller is away", evidence, scene.slurm_site.start_controller)


def disk_full(scene: Scene) -> Strike:
    job = scene.head_job()
    ballast = scene.slurm_site.fill_disk()

    def evidence() -> str:
        found = scene.life(job, "FAILED")
        return found if found.endswith("3:0") else ""

    return Strike("the disk of the runs is full", evidence, lambda: ballast.unlink(missing_ok=True))


def void(_: object) -> None:
    """Take a value and give none."""


STRIKES: Final[dict[str, Callable[[Scene], Strike]]] = {
    "kill-loop": kill_loop, "kill-supervisor": kill_supervisor, "kill-worker": kill_worker,
    "kill-engine": kill_engine, "kill-daemon": kill_daemon, "term-worker": term_worker,
    "term-loop": term_loop, "scancel-worker": scancel_worker, "requeue": requeue,
    "time-limit": time_limit, "preemption": preemption, "node-kill": node_kill,
    "network-cut": network_cut, "controller-outage": controller_outage, "disk-full": disk_full,
}  # fmt: skip
