"""Bundles of tasks for one slot of one worker, and their JSON form (``hpckit.bundle/1``)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from hpckit.model.task import Task, TaskSettings

BUNDLE_SCHEMA: Final = "hpckit.bundle/1"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Tasks that one slot of one worker runs one after another."""

    id: str  # "INCARNATION-NUMBER", unique within the run
    task_settings: TaskSettings
    tasks: tuple[Task, ...]
    attempts: tuple[int, ...]  # one number for each task; 1 for the first attempt
    expected_s: float = 0.0  # expected wall time of all tasks together; 0: unknown

    def to_json(self) -> str:
        """Return the JSON form, one line."""
        body = {
            "schema": BUNDLE_SCHEMA,
            "id": self.id,
            "surroundings": asdict(self.task_settings),
            "tasks": [task.to_dict() for task in self.tasks],
            "attempts": self.attempts,
            "expected_s": self.expected_s,
        }
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Bundle:
        """Read the JSON form.

        Raises:
            ValueError: the text is not ``hpckit.bundle/1``.
        """
        raw = json.loads(text)
        if raw.get("schema") != BUNDLE_SCHEMA:
            raise ValueError(f"expected {BUNDLE_SCHEMA}, found {raw.get('schema')!r}")
        return cls(
            id=raw["id"],
            task_settings=TaskSettings.from_dict(raw["surroundings"]),
            tasks=tuple(Task.from_dict(item) for item in raw["tasks"]),
            attempts=tuple(raw["attempts"]),
            expected_s=raw["expected_s"],
        )
