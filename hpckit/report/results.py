"""The table of results: one row per done task.

Columns are the task's index, its parameters, and the JSON object that it printed as its last
line; nested objects become dotted columns (``seconds.read``). Where a name is taken already,
by the index, a parameter or the wall time, the column is called ``param.NAME`` or
``value.NAME``, unless both say the same.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from hpckit.model.task import Task
from hpckit.run.journal import load_state
from hpckit.run.output import OutputReader
from hpckit.run.rundir import RunDir
from hpckit.run.state import DONE, Attempt
from hpckit.run.tasks import read_tasks


@dataclass(frozen=True)
class ResultsTable:
    """Rows by column name; a row may lack a column."""

    columns: list[str]
    rows: list[dict[str, Any]]


def results_table(run_dir: RunDir) -> ResultsTable:
    """Return the results of the tasks that are done, in the order of their indices.

    Raises:
        StorageError: the run directory cannot be read.
    """
    state = load_state(run_dir, run_dir.read_plan().tasks)
    columns: dict[str, None] = {"task": None}
    rows: list[dict[str, Any]] = []
    with OutputReader(run_dir) as outputs:
        for task in read_tasks(run_dir):
            if state.status[task.index] == DONE:
                rows.append(_row(task, state.last[task.index], outputs))
                columns.update(dict.fromkeys(rows[-1]))
    names = [name for name in columns if name != "wall_s"]
    return ResultsTable([*names, "wall_s"] if rows else names, rows)


def _row(task: Task, attempt: Attempt, outputs: OutputReader) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task.index, "wall_s": attempt.row.wall_s}
    _add(row, "param", flatten(task.params))
    printed = outputs.read(attempt.incarnation, attempt.row.output_at)
    if printed and printed.value:
        _add(row, "value", flatten(printed.value))
    row["wall_s"] = row.pop("wall_s")  # comes last
    return row


def _add(row: dict[str, Any], prefix: str, more: dict[str, Any]) -> None:
    """Add values to a row; one that would hide another gets the prefix."""
    for name, value in more.items():
        if row.setdefault(name, value) != value:
            row[f"{prefix}.{name}"] = value


def flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested objects as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            flat.update(flatten(item, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = item
    return flat


def to_csv(table: ResultsTable) -> str:
    """Return the table as CSV (RFC 4180), with a header line."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, table.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in table.rows)
    return stream.getvalue()


def _csv_cell(value: object) -> object:
    """Return lists as JSON, which other programs can read; Python's own form they cannot."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
