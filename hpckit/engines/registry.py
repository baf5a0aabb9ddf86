"""The engines there are: one line each. How to add one: CONTRIBUTING.md.

Standard library only, and nothing of an engine but its facts is imported before it is used,
because workers and the command line import this module.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from hpckit.engines import pool, ray, workqueue
from hpckit.engines.base import Engine, EngineInfo, Launch, WorkerStart
from hpckit.model.plan import Plan
from hpckit.run.rundir import RunDir

#: In the order of preference: of those that are installed, the first is taken unasked.
ENGINES: Final[dict[str, EngineInfo]] = {
    "workqueue": workqueue.ENGINE,
    "ray": ray.ENGINE,
    "pool": pool.ENGINE,
}

#: How the variables of all engines begin.
VARIABLES: Final = tuple(engine.variables for engine in ENGINES.values() if engine.variables)


def make_engine(run_dir: RunDir, plan: Plan, host: str) -> Engine:
    """Return the plan's engine, not yet started.

    Args:
        run_dir: the run's files.
        plan: the run's plan.
        host: the head's own address, the first that it publishes.
    """
    engine: Engine = _load(ENGINES[plan.backend].head)(run_dir, plan, host)
    return engine


def worker_launch(start: WorkerStart) -> Launch | None:
    """Return how to start the worker of the plan's engine; None for an engine that has none.

    Raises:
        EngineError: the engine is not installed here.
    """
    name = ENGINES[start.plan.backend].worker
    launch: Launch | None = _load(name)(start) if name else None
    return launch


def installed() -> tuple[str, ...]:
    """Return the engines that were found on this machine, in the order of `ENGINES`."""
    return tuple(name for name, engine in ENGINES.items() if _is_found(engine))


def _is_found(engine: EngineInfo) -> bool:
    return not engine.found or bool(_load(engine.found)())


def _load(name: str) -> Any:
    """Return what ``MODULE:NAME`` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
