"""The plan of a run: a frozen value that holds everything that will happen.

`hpckit.launch.plan` makes it from bag, site and flags; `--dry-run` prints it; the run
directory keeps it (``plan.json``, ``hpckit.plan/1``); head and workers read it back. It is
standard library only, because worker nodes read it too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from hpckit.model.retries import Retries
from hpckit.model.task import Backend, Shape, TaskSettings
from hpckit.model.worker import slots_for

PLAN_SCHEMA: Final = "hpckit.plan/1"
#: What a field is called in ``plan.json``, where that is not its own name.
_KEYS: Final = {"task_settings": "surroundings"}


@dataclass(frozen=True, kw_only=True)
class Size:
    """The resources that the head, or the tasks of one worker, may use.

    A job asks Slurm for more memory than that: what the engine takes is beside it.
    """

    cores: int
    memory_mib: int
    walltime_s: int
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """One sbatch script and its directives.

    `role` is ``head`` (the head alone), ``workers`` (an array that joins it) or
    ``allocation`` (head and workers in one job); it names the script's template and file too.
    """

    role: str
    directives: tuple[str, ...]  # "--nodes=1", in the order in which they are printed


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything about a run that is decided before anything is created."""

    run: str  # the run's name
    run_dir: str  # absolute
    bag: str  # the bag's name
    backend: Backend
    shape: Shape
    site: str
    scheduler: str  # "slurm" or "emulated"
    slurm_bin: str  # directory of sbatch and the others; "" means PATH
    python: str  # the interpreter with hpckit in it, as the nodes see it
    tasks: int
    head: Size
    worker: Size
    workers: int  # worker jobs (array) or nodes (allocation)
    task_settings: TaskSettings
    retries: Retries
    warning_s: int  # how long before its end the head's job is warned
    setup: tuple[str, ...]  # shell lines, site's first, then the bag's
    jobs: tuple[JobPlan, ...]
    min_workers: int = 1  # of an array: the head keeps it between these while work is left
    max_workers: int = 1
    max_failures: int = 0  # failed tasks after which the run is ended early; 0: any number
    interface: str = ""  # network interface whose address the head publishes first
    port_range: tuple[int, int] = (0, 0)  # inclusive; (0, 0): any free port
    node_tmp: str = "/tmp"  # node-local directory for sockets and Ray's files
    compute_nodes_submit: bool = True  # whether the head may call sbatch from its job
    max_array_size: int = 1001  # Slurm's MaxArraySize: indices stop at one less
    notes: tuple[str, ...] = ()  # what was cut or chosen, in words for the user

    @property
    def slots(self) -> int:
        """Number of tasks that a worker of the planned size runs at a time."""
        size = self.worker
        return slots_for(size.cores, size.memory_mib, size.gpus, self.task_settings)

    def to_json(self) -> str:
        """Return the JSON document of ``plan.json``."""
        body = {_KEYS.get(name, name): value for name, value in asdict(self).items()}
        return json.dumps({"schema": PLAN_SCHEMA, **body}, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Read ``plan.json``.

        Raises:
            ValueError: the text is no ``hpckit.plan/1``.
        """
        raw: dict[str, Any] = json.loads(text)
        if raw.pop("schema", None) != PLAN_SCHEMA:
            raise ValueError(f"expected {PLAN_SCHEMA}")
        names = {key: name for name, key in _KEYS.items()}
        raw = {names.get(key, key): value for key, value in raw.items()}
        jobs = tuple(
            JobPlan(role=job["role"], directives=tuple(job["directives"])) for job in raw["jobs"]
        )
        return cls(
            **{
                **raw,
                "head": Size(**raw["head"]),
                "worker": Size(**raw["worker"]),
                "task_settings": TaskSettings.from_dict(raw["task_settings"]),
                "retries": Retries(**raw["retries"]),
                "setup": tuple(raw["setup"]),
                "jobs": jobs,
                "port_range": tuple(raw["port_range"]),
                "notes": tuple(raw["notes"]),
            }
        )
