"""The log of a worker: one line at a time, with its time, on standard output."""

from __future__ import annotations

import os
import time

_speaker = ""


def set_worker_name(name: str) -> None:
    """Begin every line with this worker's name: nodes of one job share a log."""
    global _speaker  # noqa: PLW0603 - one process is one worker
    _speaker = f"worker {name}: "


def say(text: str) -> None:
    """Print one line with the local time; a closed or full output is no reason to stop."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    line = f"{stamp} {_speaker}{' '.join(text.split())}\n"
    try:
        os.write(1, line.encode(errors="replace"))
    except OSError:
        return


class ChangeReporter:
    """Says a thing when it differs from what was said last."""

    def __init__(self) -> None:
        self._last = ""

    def say(self, text: str) -> None:
        """Print `text`, unless it is what was printed last."""
        if text != self._last:
            self._last = text
            say(text)
