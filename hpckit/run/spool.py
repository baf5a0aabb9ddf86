"""The spools: files to which the runner of each worker writes its results.

A runner appends a line when it begins a bundle and one for every finished task. So if a worker
is lost, only its running tasks run again. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from hpckit.common.io_retry import retry_io
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
