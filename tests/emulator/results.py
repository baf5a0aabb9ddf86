"""Measurements as ``results/NAME.json``: checks with a value, a limit, and whether it holds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "results"


@dataclass
class Results:
    """The checks of one run."""

    name: str
    checks: list[dict[str, object]] = field(default_factory=list)

    def at_least(self, name: str, value: float, limit: float) -> None:
        """Note a value that must not be below its limit."""
        self._note(name, value, limit, value >= limit)

    def at_most(self, name: str, value: float, limit: float) -> None:
        """Note a value that must not be above its limit."""
        self._note(name, value, limit, value <= limit)

    def _note(self, name: str, value: float, limit: float, good: bool) -> None:
        self.checks.append({"name": name, "value": value, "limit": limit, "pass": good})
        print(f"{'ok  ' if good else 'MISS'} {name}: {value:g} (limit {limit:g})")

    def write(self) -> int:
        """Write the file; return 1 on any miss."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
        return int(not all(check["pass"] for check in self.checks))
