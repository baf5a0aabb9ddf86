"""The jobs on disk, for a restarted daemon and for sacct.

One SQLite file per cluster. The daemon writes it; sacct reads it directly, as a real sacct asks
slurmdbd: accounting works while the controller is down.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  job_id INTEGER, restart INTEGER, array_job_id INTEGER, array_task_id INTEGER,
  live INTEGER, name TEXT, user TEXT, state TEXT, submit REAL, start REAL, end REAL, data TEXT,
  PRIMARY KEY (job_id, restart));
CREATE INDEX IF NOT EXISTS job_array ON job (array_job_id);
CREATE INDEX IF NOT EXISTS job_end ON job (end);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT);
"""
SCHEMA_VERSION = 1


class Store:
    """The daemon's side of the file."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")  # it must survive kill -9, not power loss
        self._db.executescript(_SCHEMA)
        self.put_fact("schema", SCHEMA_VERSION)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def save(self, records: list[dict[str, Any]], retired: list[dict[str, Any]]) -> None:
        """Write changed jobs; `retired` are earlier incarnations of requeued jobs."""
        rows = [_row(data, live=0) for data in retired] + [_row(data, live=1) for data in records]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO job VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", rows)
        self._db.execute("COMMIT")

    def forget(self, job_ids: list[int]) -> None:
        """Keep these jobs for accounting only: the controller no longer lists them."""
        self._db.executemany("UPDATE job SET live=0 WHERE job_id=?", [(i,) for i in job_ids])

    def live_jobs(self) -> list[dict[str, Any]]:
        """Return the records of all jobs that the controller still lists."""
        rows = self._db.execute("SELECT data FROM job WHERE live=1 ORDER BY job_id")
        return [json.loads(row[0]) for row in rows]

    def next_job_id(self) -> int:
        """Return an id that no job had."""
        (highest,) = self._db.execute("SELECT MAX(job_id) FROM job").fetchone()
        return (highest or 0) + 1

    def put_fact(self, name: str, value: Any) -> None:
        """Write one named value."""
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?,?)", (name, json.dumps(value)))

    def fact(self, name: str) -> Any:
        """Return a named value, or None."""
        row = self._db.execute("SELECT value FROM fact WHERE name=?", (name,)).fetchone()
        return json.loads(row[0]) if row else None


def _row(data: dict[str, Any], *, live: int) -> tuple[Any, ...]:
    request = data["request"]
    return (
        data["job_id"], data["restarts"], data["array_job_id"], data["array_task_id"], live,
        request["name"], request["user"], data["state"], data["submit"], data["start"],
        data["end"], json.dumps(data, separators=(",", ":")),
    )  # fmt: skip
