"""The spools: files to which the runner of each worker writes its results.

A runner appends a line when it begins a bundle and one for every finished task. So if a worker
is lost, only its running tasks run again. A line is one JSON object, written at once:
``{"bundle": ID, "started": T}``, ``{"bundle": ID, "result": {TaskResult}}`` or, for tasks that
were not run, ``{"bundle": ID, "not_run": [INDEX…], "reason": …}``. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from hpckit.common.io_retry import retry_io
from hpckit.common.log import ChangeReporter
from hpckit.protocol.result import TaskResult
from hpckit.run.rundir import RunDir


@dataclass(frozen=True)
class Spooled:
    """One finished task in a spool."""

    worker: str
    bundle: str
    result: TaskResult


def read_spool(
    run_dir: RunDir, worker: str, bundles: Collection[str]
) -> dict[str, list[TaskResult]]:
    """Return the results of some bundles from one worker's spool, which is read once.

    Raises:
        StorageError: it cannot be read, even after some seconds.
    """
    found: dict[str, list[TaskResult]] = {bundle: [] for bundle in bundles}
    for record in _read(run_dir.spool_file(worker)):
        if record.bundle in found:
            found[record.bundle].append(record.result)
    return found


def read_spools(run_dir: RunDir) -> Iterator[Spooled]:
    """Yield the finished tasks of every spool of the run.

    Raises:
        StorageError: one cannot be read, even after some seconds.
    """
    for path in sorted(run_dir.spool.glob("*.jsonl")):
        yield from _read(path)


def _read(path: Path) -> Iterator[Spooled]:
    """Yield the finished tasks of a spool; ignore incomplete lines and a missing file."""
    stream = retry_io(lambda: _opened(path), f"read {path}")
    if stream is None:
        return
    with stream:
        for line in stream:
            try:
                record = json.loads(line)
                if "result" in record:
                    yield Spooled(path.stem, record["bundle"], TaskResult(**record["result"]))
            except (ValueError, TypeError, KeyError):
                continue


def _opened(path: Path) -> TextIO | None:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


class SpoolWriter:
    """Appends records to the spool of one worker; any thread may call it.

    Errors of the file system are logged and not raised, because the engine returns the results
    too.
    """

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
        """Make what was written visible to other nodes; over NFS that needs more than a write."""
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
                if written != len(line):  # the disk is full: end the line, readers ignore it
                    os.write(self._handle, b"\n")
                self._dirty = True
        except OSError as error:
            self._changes.say(f"cannot write the spool {self.path}: {error.strerror}")
