"""The identity of a worker and the end of its job, from Slurm's environment variables.

The variables: https://slurm.schedmd.com/srun.html (output environment variables).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

from hpckit.model.plan import Plan
from hpckit.model.worker import WorkerInfo

#: How often the worker's process was restarted on this node since the job (re)started.
RESTARTS_VAR: Final = "HPCKIT_WORKER_AGAIN"


def job_id(env: Mapping[str, str]) -> str:
    """Return the job as squeue prints it, ``57`` or ``57_3``; ``""`` outside Slurm."""
    array, task = env.get("SLURM_ARRAY_JOB_ID", ""), env.get("SLURM_ARRAY_TASK_ID", "")
    return f"{array}_{task}" if array and task else env.get("SLURM_JOB_ID", "")


def node_name(env: Mapping[str, str]) -> str:
    """Return the node's name in Slurm, else the host's short name."""
    return env.get("SLURMD_NODENAME", "") or socket.gethostname().partition(".")[0]


def worker_name(env: Mapping[str, str], pid: int) -> str:
    """Return ``JOBID[_TASK][rRESTART][kKILLED]-NODE``, outside Slurm ``pidPID-NODE``.

    The counts give a new name to the worker of a requeued job, and to one that replaces a
    worker that was killed.
    """
    restarts = env.get("SLURM_RESTART_COUNT", "0")
    restarted = f"r{restarts}" if restarts not in ("", "0") else ""
    killed = f"k{restart_count(env)}" if restart_count(env) else ""
    job = job_id(env)
    return f"{job}{restarted}{killed}-{node_name(env)}" if job else f"pid{pid}-{node_name(env)}"


def restart_count(env: Mapping[str, str]) -> int:
    """Return how often `hpckit.worker.recovery.supervisor` restarted the worker's process."""
    value = env.get(RESTARTS_VAR, "")
    return int(value) if value.isdigit() else 0


def ends_at(env: Mapping[str, str], walltime_s: int, started_at: float) -> float:
    """Return the Unix time at which Slurm ends the job, as far as it is known; 0 if unlimited.

    Slurm before 23.02 tells batch jobs neither their end nor their start. There the start of
    this process is used instead, which is a little later.
    """
    if end := _unix_time(env, "SLURM_JOB_END_TIME"):
        return end
    return began_at(env, started_at) + walltime_s if walltime_s > 0 else 0.0


def began_at(env: Mapping[str, str], started_at: float) -> float:
    """Return the Unix time at which Slurm started the job, as far as known; see `ends_at`."""
    return _unix_time(env, "SLURM_JOB_START_TIME") or started_at


def _unix_time(env: Mapping[str, str], name: str) -> float:
    """Return a Unix time from the environment; 0 if it has none."""
    value = env.get(name, "")
    return float(value) if value.isdigit() else 0.0


def worker_info(plan: Plan, *, name: str = "") -> WorkerInfo:
    """Describe this process as a worker of the plan; `name` replaces its usual name."""
    env = os.environ
    return WorkerInfo(
        name=name or worker_name(env, os.getpid()),
        job_id=job_id(env),
        node=node_name(env),
        pid=os.getpid(),
        cores=plan.worker.cores,
        memory_mib=plan.worker.memory_mib,
        gpus=plan.worker.gpus,
        ends_at=ends_at(env, plan.worker.walltime_s, time.time()),
        again=restart_count(env),
    )
