"""The engine's own worker process, a child of the worker: started, watched, ended by PID."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from hpckit.common.log import say
from hpckit.common.processes import (
    ENGINE_MARK,
    descendants_of,
    find_by_variable,
    kill_all,
    send,
    wait_until_gone,
)
from hpckit.engines.base import Launch
from hpckit.errors import EngineError
from hpckit.worker.task.orphans import Orphans

_STOP_S: Final = 3.0
_TAIL_BYTES: Final = 600


class EngineWorker:
    """One start of the engine's worker."""

    def __init__(self, launch: Launch, mark: str, log: Path, orphans: Orphans) -> None:
        self._mark = mark
        self._log = log
        self._orphans = orphans
        self.started = time.monotonic()
        env = {**os.environ, **launch.env, ENGINE_MARK: mark}
        try:
            with log.open("ab") as output, orphans.lock:
                self._process = subprocess.Popen(
                    launch.argv,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                orphans.adopt(self._process.pid)
        except OSError as error:
            raise EngineError(f"cannot start {launch.argv[0]}: {error.strerror}") from error

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self._process.poll()

    def last_words(self) -> str:
        """Return the end of what it printed, on one line."""
        with contextlib.suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            return " | ".join(log.read().decode(errors="replace").split("\n")[-4:]).strip(" |")
        return ""

    def stop(self) -> None:
        """End it with all that it started: SIGTERM to it, SIGKILL to what remains."""
        family = descendants_of(self.pid)
        send([self.pid], signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        # Ray's workers overwrite the environment that they show, so the mark does not find them.
        send(wait_until_gone(family, 0.5), signal.SIGKILL)
        left = kill_all(
            lambda: [pid for pid in find_by_variable(ENGINE_MARK, self._mark) if _not_dead(pid)]
        )
        if self._process.poll() is None:
            send([self.pid], signal.SIGKILL)
            self._process.wait()
        self._orphans.disown(self.pid)
        if left:
            say(f"could not end processes {left} of the engine")


def _not_dead(pid: int) -> bool:
    return bool(wait_until_gone([pid], 0))
