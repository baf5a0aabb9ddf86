"""Which engine's worker to start for an address, and how."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from hpckit.errors import EngineError
from hpckit.node import ray, workqueue
from hpckit.node.address import candidate_addresses
from hpckit.node.door import DoorClient
from hpckit.node.engine_worker import Launch
from hpckit.node.nodedir import NodeDir
from hpckit.run.address import Address
from hpckit.run.rundir import RunDir
from hpckit.spec.plan import Plan
from hpckit.spec.worker import WorkerInfo


def launch_for(
    address: Address,
    joined: DoorClient,
    plan: Plan,
    worker: WorkerInfo,
    node: NodeDir,
    runner: Path,
) -> Launch | None:
    """Return how to start the engine's worker; None for an engine that has none (pool).

    Raises:
        EngineError: the head's engine is not the plan's, or is not installed here.
    """
    run_dir = RunDir(Path(plan.run_dir))
    if address.backend != plan.backend:
        raise EngineError(f"the plan is for {plan.backend}, but its head uses {address.backend}")
    match plan.backend:
        case "pool":
            return None
        case "workqueue":
            port = int(address.engine["port"])
            directory = node.make("wq")
            return workqueue.launch(run_dir, worker, joined.host, port, directory, runner)
        case "ray":
            own = own_address(plan, joined)
            directory = node.make("ray")
            return ray.launch(plan, worker, str(address.engine["gcs"]), own, directory, runner)
    assert_never(plan.backend)


def own_address(plan: Plan, joined: DoorClient) -> str:
    """Return the address by which the head's network reaches this node.

    On a real cluster, where the site names no interface, it is the one from which the door
    was reached; emulated nodes share a machine, and have it from their name.
    """
    if plan.scheduler == "emulated" or plan.interface:
        return candidate_addresses(plan)[0]
    return joined.own_address
