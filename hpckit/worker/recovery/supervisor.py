"""A node's entry in an allocation: ``python -m hpckit.worker.recovery.supervisor RUN_DIR``.

The step that holds the workers goes on when one of them is killed, and Slurm starts no task of
a step a second time: the node would idle until the job's end, and on a job's only node nobody
would be left to work. So the task of the step is this process, which starts the worker as its
child, passes signals on to it, and starts another when it was killed. The job array needs
none: there a killed worker ends its job, and the head submits another.

The head has a supervisor of its own, `hpckit.head.supervisor`: that one starts a loop again until
the journal has an end event, and lets Slurm requeue its job; this one lets a worker leave by
itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from hpckit.common.log import say
from hpckit.common.processes import (
    adopted_children,
    become_subreaper,
    descendants_of,
    kill_all,
    python_module,
    send,
    signal_name,
)
from hpckit.common.restart_policy import RestartPolicy
from hpckit.common.slurm_env import RESTARTS_VAR

#: Starts after kills in a row. A task that kills its worker is poison the third time.
MAX_RESTARTS: Final = 5
WITHIN_S: Final = 600.0
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)


class Supervisor:
    """Keeps one worker up.

    Args:
        argv: the worker's command line.
        clock: monotonic, seconds.
    """

    def __init__(self, argv: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._argv = list(argv)
        self._worker: subprocess.Popen[bytes] | None = None
        self._told = False  # that the job, or this worker, is about to end
        self._restarts = RestartPolicy(MAX_RESTARTS, good_after_s=WITHIN_S, clock=clock)

    def run(self) -> int:
        """Start workers until one ends by itself; return its exit code."""
        become_subreaper()
        for number in _PASSED_ON:
            signal.signal(number, self._pass_on)
        again = 0
        while True:
            code = self._one(again)
            if code >= 0 or self._told:
                return code if code >= 0 else 128 - code
            name = signal_name(-code)
            self._end_what_it_left()
            if not self._restarts.may_restart():
                say(
                    f"the worker was killed by {name} again: "
                    f"{self._restarts.in_a_row} times in a row"
                )
                return 128 - code
            say(f"the worker was killed by {name}: starting another")
            again += 1

    def _one(self, again: int) -> int:
        env = {**os.environ, RESTARTS_VAR: str(again)} if again else None
        self._worker = subprocess.Popen(self._argv, env=env)
        if self._told:  # between two workers, when there was none to pass it on to
            send([self._worker.pid], signal.SIGTERM)
        return self._worker.wait()

    def _end_what_it_left(self) -> None:
        """End the tasks and the engine of a killed worker: this process has inherited them."""
        left = kill_all(
            lambda: [pid for child in adopted_children() for pid in (child, *descendants_of(child))]
        )
        if left:
            say(f"could not end processes {left} of the worker that was killed")

    def _pass_on(self, number: int, _frame: Any) -> None:
        self._told = True
        worker = self._worker
        if worker and worker.returncode is None:
            send([worker.pid], number)


def main() -> int:
    """Keep a worker up; return its exit code."""
    return Supervisor([*python_module("hpckit.worker"), *sys.argv[1:]]).run()


if __name__ == "__main__":
    sys.exit(main())
