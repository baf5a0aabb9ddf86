"""Parsl: the SlurmProvider's block runs Python functions on two workers."""

from __future__ import annotations

import sys
from pathlib import Path

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider


@parsl.python_app
def square(number: int) -> tuple[int, str]:
    import os

    return number * number, os.environ["SLURM_JOB_ID"]


provider = SlurmProvider(
    partition="debug", exclusive=False, cores_per_node=2, walltime="00:05:00", cmd_timeout=60,
    worker_init=f"export PATH={Path(sys.executable).parent}:$PATH", launcher=SrunLauncher(),
)  # fmt: skip
executor = HighThroughputExecutor(
    label="htex", address=sys.argv[1], provider=provider, max_workers_per_node=2
)
with parsl.load(Config(executors=[executor], run_dir="runinfo", strategy="none")):
    results = [future.result(timeout=120) for future in [square(n) for n in range(10)]]
    print("squares", [number for number, _ in results])
    print("jobs", len({job for _, job in results}))
