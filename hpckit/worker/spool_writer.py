"""The spool: what one worker's runner finished, so that a lost worker's work counts.

Each record is a line of JSON, appended by a single write:
``{"bundle": ID, "started": T}``, ``{"bundle": ID, "result": {TaskResult}}`` and, when tasks
are handed back, ``{"bundle": ID, "not_run": [INDEX…], "reason": …}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from hpckit.common.log import ChangeReporter
from hpckit.protocol.result import TaskResult


class SpoolWriter:
    """Appends records; any thread may call. Trouble with storage is said, not raised: the
    engine still carries the results."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1
        self._lock = threading.Lock()
        self._dirty = False
        self._changes = ChangeReporter()

    def started(self, bundle: str) -> None:
        """Record that a bundle starts."""
        self._append({"bundle": bundle, "started": time.time()})

    def finished(self, bundle: str, result: TaskResult) -> None:
        """Record one finished task."""
        self._append({"bundle": bundle, "result": vars(result)})

    def handed_back(self, bundle: str, not_run: list[int], reason: str) -> None:
        """Record tasks that this worker will not run."""
        self._append({"bundle": bundle, "not_run": not_run, "reason": reason})

    def sync(self) -> None:
        """Make what was written visible to other nodes, which on NFS a write alone is not."""
        if self._dirty and self._handle >= 0:
            self._dirty = False
            with contextlib.suppress(OSError):
                os.fsync(self._handle)

    def close(self) -> None:
        """Close the file, which flushes it; idempotent."""
        with self._lock:
            handle, self._handle = self._handle, -1
            if handle >= 0:
                with contextlib.suppress(OSError):
                    os.close(handle)

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            with self._lock:
                if self._handle < 0:
                    self.path.parent.mkdir(exist_ok=True)
                    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
                    self._handle = os.open(self.path, flags, 0o600)
                written = os.write(self._handle, line)
                if written != len(line):  # a full disk: end the torn line, readers skip it
                    os.write(self._handle, b"\n")
                self._dirty = True
        except OSError as error:
            self._changes.say(f"cannot write the spool {self.path}: {error.strerror}")
