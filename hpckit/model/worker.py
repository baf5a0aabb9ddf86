"""The description that a worker sends when it joins. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hpckit.model.task import TaskSettings


def slots_for(cores: int, memory_mib: int, gpus: int, settings: TaskSettings) -> int:
    """Return the number of tasks that run at a time on a worker of this size; at least one."""
    slots = cores // max(1, settings.cores)
    if settings.memory_mib:
        slots = min(slots, memory_mib // settings.memory_mib)
    if settings.gpus:
        slots = min(slots, gpus // settings.gpus)
    return max(1, slots)


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """One worker: a resident runner and an engine's worker process on one node."""

    name: str  # unique for each process: JOBID[_TASK][rRESTART][kKILLED]-NODE
    job_id: str  # as squeue prints it: "57" or "57_3"; "" outside Slurm
    node: str
    pid: int
    cores: int
    memory_mib: int
    gpus: int = 0
    ends_at: float = 0.0  # Unix time at which its job ends; 0: unknown
    again: int = 0  # how often its process was killed and restarted since the job (re)started

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> WorkerInfo:
        """Build from the JSON form.

        Raises:
            TypeError: a key is missing or unknown.
        """
        return cls(**raw)
