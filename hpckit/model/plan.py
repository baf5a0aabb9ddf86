"""The plan of a run: a frozen value with everything that will happen.

`hpckit.launch.plan` makes it from bag, site and flags. `--dry-run` prints it. The run directory
keeps it (``plan.json``, ``hpckit.plan/1``), where head and workers read it. Standard library
only, because worker nodes read it too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from hpckit.model.retries import Retries
from hpckit.model.task import Backend, Shape, TaskSettings
from hpckit.model.worker import slots_for

PLAN_SCHEMA: Final = "hpckit.plan/1"
#: The keys in ``plan.json`` that differ from the names of their fields.
_KEYS: Final = {"task_settings": "surroundings"}


@dataclass(frozen=True, kw_only=True)
class Size:
    """The resources that the head, or the tasks of one worker, may use.

    The job asks Slurm for more memory than that, because the engine needs some too.
    """

    cores: int
    memory_mib: int
    walltime_s: int
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """One sbatch script and its directives.

    `role` is ``head`` (the head alone), ``workers`` (an array that joins it) or ``allocation``
    (head and workers in one job). The script's template and file have this name too.
    """

    role: str
    directives: tuple[str, ...]  # "--nodes=1", in the order of the script


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
    python: str  # the interpreter of the nodes, which has hpckit
    tasks: int
    head: Size
    worker: Size
    workers: int  # worker jobs (array) or nodes (allocation)
    task_settings: TaskSettings
    retries: Retries
    warning_s: int  # seconds before its end at which the head's job is warned
    setup: tuple[str, ...]  # shell lines: those of the site, then those of the bag
    jobs: tuple[JobPlan, ...]
    min_workers: int = 1  # of an array: while work is left, the head keeps at least so many ...
    max_workers: int = 1  # ... and at most so many workers
    max_failures: int = 0  # failed tasks after which the run stops early; 0: no limit
    interface: str = ""  # the head publishes this network interface's address first
    port_range: tuple[int, int] = (0, 0)  # inclusive; (0, 0): any free port
    node_tmp: str = "/tmp"  # node-local directory for sockets and Ray's files
    compute_nodes_submit: bool = True  # True if the head may call sbatch from its job
    max_array_size: int = 1001  # Slurm's MaxArraySize: the largest index is one less
    notes: tuple[str, ...] = ()  # messages for the user: what was reduced or chosen

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
            ValueError: the text is not ``hpckit.plan/1``.
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
