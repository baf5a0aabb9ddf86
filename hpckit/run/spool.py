"""The spools: what each worker's runner finished, written by itself as it went.

A runner appends a line when it begins a bundle and one for every finished task, so that a
worker that is lost costs only the tasks that were running on it. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpckit.run.rundir import RunDir
from hpckit.spec.task import TaskResult


@dataclass(frozen=True)
class Spooled:
    """One finished task in a spool."""

    worker: str
    bundle: str
    result: TaskResult


def read_spool(run_dir: RunDir, worker: str) -> list[Spooled]:
    """Return the finished tasks of one worker's spool; torn lines are left out."""
    return list(_read(run_dir.spool_file(worker)))


def read_spools(run_dir: RunDir) -> Iterator[Spooled]:
    """Yield the finished tasks of every spool of the run."""
    for path in sorted(run_dir.spool.glob("*.jsonl")):
        yield from _read(path)


def _read(path: Path) -> Iterator[Spooled]:
    try:
        stream = path.open(encoding="utf-8", errors="replace")
    except OSError:
        return  # the worker finished nothing
    with stream:
        for line in stream:
            try:
                record = json.loads(line)
                if "result" in record:
                    yield Spooled(path.stem, record["bundle"], TaskResult(**record["result"]))
            except (ValueError, TypeError, KeyError):
                continue
