"""Which engine a plan asks for."""

from __future__ import annotations

import importlib.util
from typing import assert_never

from hpckit.engines.protocol import Engine
from hpckit.run.rundir import RunDir
from hpckit.spec.plan import Plan
from hpckit.spec.task import Backend


def make_engine(run_dir: RunDir, plan: Plan, host: str) -> Engine:
    """Return the plan's engine, not yet started.

    Args:
        run_dir: the run's files.
        plan: the run's plan.
        host: the head's own address, the first that it publishes.
    """
    match plan.backend:
        case "workqueue":
            from hpckit.engines.workqueue import WorkQueueEngine

            return WorkQueueEngine(run_dir, plan)
        case "ray":
            from hpckit.engines.ray import RayEngine

            return RayEngine(run_dir, plan, host)
        case "pool":
            from hpckit.engines.pool import PoolEngine

            return PoolEngine(run_dir, plan)
    assert_never(plan.backend)


def installed() -> tuple[Backend, ...]:
    """Return the engines that were found on this machine, the quickest to start first."""
    from hpckit.engines.workqueue import binding_found

    found: list[Backend] = ["workqueue"] if binding_found() else []
    if importlib.util.find_spec("ray") is not None:
        found.append("ray")
    return (*found, "pool")
