"""The log of a head or worker: lines with their time on standard output."""

from __future__ import annotations

import os
import time

_prefix = ""


def set_worker_name(name: str) -> None:
    """Begin every line with this worker's name, because the nodes of a job share one log."""
    global _prefix  # noqa: PLW0603 - one process is one worker
    _prefix = f"worker {name}: "


def say(text: str) -> None:
    """Print one line with the local time; ignore it if the output is closed or full."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    line = f"{stamp} {_prefix}{' '.join(text.split())}\n"
    try:
        os.write(1, line.encode(errors="replace"))
    except OSError:
        return


class ChangeReporter:
    """Prints a message when it differs from the last one."""

    def __init__(self) -> None:
        self._last = ""

    def say(self, text: str) -> None:
        """Print `text`, unless it is the last text that was printed."""
        if text != self._last:
            self._last = text
            say(text)
