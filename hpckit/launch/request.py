"""The request of the person at the prompt, beyond bag and site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hpckit.engines.registry import ENGINES
from hpckit.model.task import Backend, Shape


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of ``hpckit submit``. None and ``""`` mean: not said.

    Attributes:
        sbatch: further directives, ``--key=value``; they replace ours of the same key.
    """

    backend: Backend | None = None
    shape: Shape | None = None
    nodes: int | None = None
    min_workers: int | None = None
    max_workers: int | None = None
    max_failures: str = ""
    cores: int | None = None
    memory_mib: int | None = None
    walltime_s: int | None = None
    partition: str = ""
    worker_partition: str = ""
    account: str = ""
    qos: str = ""
    sbatch: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Request(RunOptions):
    """The options, and all that a plan needs to know of this machine.

    Attributes:
        tasks: how many tasks the bag has (`hpckit.model.expand.count`).
        now: Unix time, for the run's name.
        python: this interpreter; the nodes' too unless the site names another.
        cwd: absolute; the parent of the default run root.
        environ: to fill ``$SCRATCH`` and the like into paths, and for ``HPCKIT_RUNS``.
        backends: the engines that are installed here, the preferred first.
        slurm_bin: the directory of the emulated cluster's commands.
        taken: names of the runs that exist, which a name of our own making avoids.
    """

    tasks: int
    now: float
    python: str
    cwd: str
    environ: Mapping[str, str] = field(default_factory=dict)
    backends: tuple[Backend, ...] = tuple(ENGINES)
    slurm_bin: str = ""
    taken: frozenset[str] = frozenset()
