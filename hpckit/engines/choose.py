"""Which engine a plan asks for."""

from __future__ import annotations

import importlib.util
from typing import assert_never

from hpckit.engines.protocol import Engine
from hpckit.run.rundir import RunDir
from hpckit.spec.engines import ENGINES
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
    """Return the engines that were found on this machine, in the order of `ENGINES`."""
    return tuple(name for name in ENGINES if _is_here(name))


def _is_here(name: Backend) -> bool:
    match name:
        case "workqueue":
            from hpckit.engines.workqueue import binding_found

            return binding_found()
        case "ray":
            return importlib.util.find_spec("ray") is not None
        case "pool":
            return True
    assert_never(name)
