"""submitit: an array of functions, one that raises, one that is cancelled."""

from __future__ import annotations

import os
import time

import submitit


def square(number: int) -> tuple[int, str | None]:
    return number * number, os.environ.get("SLURM_ARRAY_TASK_ID")


def fail() -> None:
    raise ValueError("on purpose")


executor = submitit.AutoExecutor(folder="logs/%j", cluster="slurm")
executor.update_parameters(
    timeout_min=2, cpus_per_task=1, slurm_mem="300M", slurm_array_parallelism=2
)
jobs = executor.map_array(square, [1, 2, 3, 4])
print("array", [job.result() for job in jobs])

job = executor.submit(fail)
try:
    job.result()
except submitit.core.utils.FailedJobError as error:
    print("failed", "on purpose" in str(error))

job = executor.submit(time.sleep, 300)
while job.state != "RUNNING":
    time.sleep(0.3)
    job.watcher.update()
job.cancel()
deadline = time.monotonic() + 60
while not job.done(force_check=True) and time.monotonic() < deadline:
    time.sleep(0.3)
print("cancelled", job.state)
