"""Faults on demand: killed nodes, a controller that does not answer, reclaimed capacity."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hpckit.emulator.core import running
from hpckit.emulator.core.model import RUNNING
from hpckit.emulator.core.refusal import Refusal
from hpckit.emulator.daemon.server import Client, Server

_LOOK_S = 0.05


def shutdown(server: Server, client: Client, _message: dict[str, Any]) -> None:
    """End all jobs and the daemon."""
    client.reply({"ok": True})
    server.stopping = True


def kill_node(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Cut a node's power: its processes end at once, the controller notices a little later."""
    name = message["node"]
    if name not in server.machine.nodes:
        raise Refusal("invalid_node")
    if server.awaits_step_daemons(name):  # else they would run on after their jobs restart
        server.after(_LOOK_S, lambda: kill_node(server, client, message))
        return
    running.node_died(server.machine, name, server.clock.now(), reason="Not responding")
    client.reply({"ok": True})


def controller_down(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Answer no command for so many seconds; jobs go on."""
    client.reply({"ok": True})
    server.after(0.0, server.stop_listening)
    server.after(float(message["seconds"]), server.listen)


def slow_controller(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Answer Slurm's commands so many seconds late, for good or for ``for_s``."""
    server.delay_s = float(message["seconds"])
    server.slowed += 1
    order = server.slowed

    def end() -> None:
        if server.slowed == order:  # no later request replaced this one
            server.delay_s = 0.0

    if message.get("for_s"):
        server.after(float(message["for_s"]), end)
    client.reply({"ok": True})


def time_scale(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Change the speed of the cluster's clock."""
    server.clock.rescale(float(message["factor"]))
    client.reply({"ok": True})


def reclaim(server: Server, client: Client, message: dict[str, Any]) -> None:
    """Preempt running jobs at random, so many per hour (0 ends it).

    Each gets the signals of a preempted job, has the grace time, and is requeued.
    """
    rate, grace, seed = message["per_hour"], message["grace_s"], message["seed"]
    server.reclaim = chance = random.Random(seed)
    partition = message.get("partition") or ""

    def strike() -> None:
        if server.reclaim is not chance:
            return
        victims = sorted(
            i for i in server.machine.active
            if (job := server.machine.jobs[i]).state == RUNNING and job.preempt_at is None
            and partition in ("", job.partition)
        )  # fmt: skip
        if victims:
            job = server.machine.jobs[chance.choice(victims)]
            running.preempt(server.machine, job, server.clock.now(), grace_s=grace)
        schedule()

    def schedule() -> None:
        server.after(chance.expovariate(rate / 3600.0) / server.clock.scale, strike)

    if rate > 0:
        schedule()
    client.reply({"ok": True})


HANDLERS: dict[str, Callable[[Server, Client, dict[str, Any]], None]] = {
    "shutdown": shutdown, "kill_node": kill_node, "controller_down": controller_down,
    "slow_controller": slow_controller, "time_scale": time_scale, "reclaim": reclaim,
}  # fmt: skip
