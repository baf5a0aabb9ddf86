"""Read a run's journal without any code of hpckit, as another program would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def events(run_dir: Path) -> Iterator[Event]:
    """Yield the events that count, oldest first (docs/reference/schemas.md, Journal)."""
    links: list[list[Event]] = []
    wanted: int | None = None
    limit: int | None = None
    for path in sorted((run_dir / "journal").glob("*.jsonl"), reverse=True):
        if wanted is not None and int(path.stem) != wanted:
            continue
        data = path.read_bytes()
        found = list(_whole(data if limit is None else data[:limit]))
        if not found:
            continue
        links.append(found)
        after = found[0].get("after")
        if not after:
            break
        wanted, limit = after["incarnation"], after["bytes"]
    for link in reversed(links):
        yield from link


def _whole(data: bytes) -> Iterator[Event]:
    for line in data.split(b"\n")[:-1]:
        try:
            event = json.loads(line)
        except ValueError:
            return
        yield event


def final_rows(run_dir: Path) -> dict[int, list[list[Any]]]:
    """Return the final rows of each task; there must be exactly one per task."""
    rows: dict[int, list[list[Any]]] = {}
    for event in events(run_dir):
        for row in event.get("rows", ()):
            if row[3]:
                rows.setdefault(row[0], []).append(row)
    return rows


def ended_tasks(run_dir: Path) -> int:
    """Return how many tasks have ended."""
    return len(final_rows(run_dir))


def events_of_kind(run_dir: Path, kind: str) -> list[Event]:
    """Return the events of one kind."""
    return [event for event in events(run_dir) if event["e"] == kind]
