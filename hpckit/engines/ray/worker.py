"""Start a node of a run's Ray."""

from __future__ import annotations

from pathlib import Path

from hpckit.engines.base import Launch, WorkerStart
from hpckit.engines.ray.start_options import (
    check_temporary,
    command,
    common_arguments,
    environment,
    port_arguments,
)
from hpckit.run.node_address import own_address
from hpckit.run.rundir import RunDir


def launch(start: WorkerStart) -> Launch:
    """Return how to start the raylet that joins the head's Ray at ``engine["gcs"]``.

    Raises:
        EngineError: Ray is not installed, the directory's path is too long, or this node has no
            address that the others reach.
    """
    plan, worker = start.plan, start.worker
    directory = start.scratch.make("ray")
    check_temporary(directory)
    own = own_address(plan, start.local_address)
    argv = [*command(), "start", f"--address={start.engine['gcs']}"]
    argv += common_arguments(directory, own)
    argv += [f"--num-cpus={worker.cores}", f"--num-gpus={worker.gpus}"]
    argv += [f"--memory={max(worker.memory_mib, 1024) * 2**20}"]
    argv += port_arguments(plan.port_range)
    run_dir = RunDir(Path(plan.run_dir))
    return Launch(argv, {**environment(run_dir), "HPCKIT_RUNNER": str(start.runner)})
