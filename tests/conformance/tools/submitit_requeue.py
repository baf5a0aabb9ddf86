"""submitit: a job that is warned of its time limit checkpoints, is requeued and goes on."""

from __future__ import annotations

import time
from typing import Any

import submitit


class Count:
    """Counts to a goal, a second each, over as many runs as it takes."""

    def __init__(self, done: int = 0, runs: int = 1) -> None:
        self.done, self.runs = done, runs

    def __call__(self, goal: int) -> tuple[int, int]:
        while self.done < goal:
            time.sleep(1)
            self.done += 1
        return self.done, self.runs

    def checkpoint(self, *args: Any, **kwargs: Any) -> submitit.helpers.DelayedSubmission:
        again = Count(self.done, self.runs + 1)
        return submitit.helpers.DelayedSubmission(again, *args, **kwargs)


executor = submitit.AutoExecutor(folder="logs", cluster="slurm")
executor.update_parameters(timeout_min=1, slurm_mem="300M", slurm_signal_delay_s=50)
print("counted", *executor.submit(Count(), 30).result())
