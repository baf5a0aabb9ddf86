"""Which engine a plan asks for."""

from __future__ import annotations

import importlib.util

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

    Raises:
        EngineError: the engine is not installed here.
    """
    if plan.backend == "workqueue":
        from hpckit.engines.workqueue import WorkQueueEngine

        return WorkQueueEngine(run_dir, plan)
    if plan.backend == "ray":
        from hpckit.engines.ray import RayEngine

        return RayEngine(run_dir, plan, host)
    from hpckit.engines.pool import PoolEngine

    return PoolEngine(run_dir, plan)


def installed() -> tuple[Backend, ...]:
    """Return the engines that this interpreter can load, the best for small tasks first."""
    from hpckit.engines.workqueue import binding_found

    found: list[Backend] = ["workqueue"] if binding_found() else []
    if importlib.util.find_spec("ray") is not None:
        found.append("ray")
    return (*found, "pool")
