"""The report of a run of the suite: a table by group, and a file of results and failures."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.backends import BACKENDS
from tests.conformance.runner import Outcome


@dataclass
class Record:
    """The outcomes of one run. `save` writes them to $HPCKIT_CONFORMANCE_RESULTS."""

    outcomes: list[Outcome] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: Outcome) -> None:
        with self._lock:
            self.outcomes.append(outcome)

    def save(self) -> None:
        target = os.environ.get("HPCKIT_CONFORMANCE_RESULTS")
        if target:
            path = Path(target)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(as_document(self), indent=1) + "\n")


def as_document(record: Record) -> dict[str, object]:
    """Return the document of results/conformance.json: checks, failures and second tries."""
    checks = []
    for backend in BACKENDS:
        ran = [o for o in record.outcomes if o.backend == backend]
        agreed = sum(not o.trouble for o in ran)
        checks.append(
            {
                "name": f"cases that hold on the {backend} Slurm",
                "value": agreed,
                "limit": len(ran),
                "pass": bool(ran) and agreed == len(ran),
            }
        )
    misses = [
        {"backend": o.backend, "case": o.case.key, "trouble": o.trouble}
        for o in sorted(record.outcomes, key=lambda o: (o.backend, o.case.key))
        if o.trouble
    ]
    again = [
        {"backend": o.backend, "case": o.case.key, "trouble": o.at_first}
        for o in sorted(record.outcomes, key=lambda o: o.case.key)
        if o.at_first
    ]
    return {"checks": checks, "misses": misses, "tried_again": again}


def summary_lines(record: Record) -> list[str]:
    """Return a table of cases per group, backend and both, and a line per second try."""
    cases = Counter(o.case.group for o in _one_per_case(record))
    held = Counter((o.case.group, o.backend) for o in record.outcomes if not o.trouble)
    both = Counter(
        o.case.group
        for o in _one_per_case(record)
        if {p.backend for p in record.outcomes if p.case == o.case and not p.trouble}
        == set(BACKENDS)
    )
    head = f"{'group':24}{'cases':>7}" + "".join(f"{b:>10}" for b in BACKENDS) + f"{'both':>7}"
    rows = [
        f"{group:24}{cases[group]:7}"
        + "".join(f"{held[group, b]:10}" for b in BACKENDS)
        + f"{both[group]:7}"
        for group in sorted(cases)
    ]
    total = (
        f"{'total':24}{cases.total():7}"
        + "".join(f"{sum(n for (_, k), n in held.items() if k == b):10}" for b in BACKENDS)
        + f"{both.total():7}"
    )
    again = [
        f"tried again on the {o.backend} Slurm: {o.case.key}: {o.at_first}"
        for o in record.outcomes
        if o.at_first
    ]
    return [head, *rows, total, *again]


def _one_per_case(record: Record) -> list[Outcome]:
    return list({o.case.key: o for o in record.outcomes}.values())
