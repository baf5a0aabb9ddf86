"""Nothing that the emulator supports is without a case, and the table says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from hpckit.emulator.commands import (
    options,
    sacct,
    sacct_fields,
    scancel,
    sinfo,
    squeue,
    squeue_fields,
)
from tests.conformance.__main__ import DOCUMENT
from tests.conformance.case import all_cases
from tests.conformance.inventory import TOPICS
from tests.conformance.table import render, uncovered

SUPPORTED: dict[str, Iterable[str]] = {
    "sbatch": [f"--{o.long}" for o in options.table("sbatch")],
    "srun": [f"--{o.long}" for o in options.table("srun")],
    "squeue": [f"%{k}" for k in squeue_fields._FIELDS] + [f"--{o.long}" for o in squeue._TABLE],
    "sacct": [*sacct_fields.FIELDS, *(f"--{o.long}" for o in sacct._TABLE)],
    "sinfo": [f"%{k}" for k in sinfo._FIELDS] + [f"--{o.long}" for o in sinfo._TABLE],
    "scancel": [f"--{o.long}" for o in scancel._TABLE],
}


@pytest.mark.parametrize("command", SUPPORTED)
def test_all_that_the_emulator_supports_is_in_the_inventory(command: str) -> None:
    missing = [word for word in SUPPORTED[command] if f"{command} {word}" not in TOPICS]
    assert missing == [], "add them to inventory.py, and a case that proves each"


def test_every_topic_has_a_case() -> None:
    assert uncovered(all_cases()) == []


def test_every_group_has_six_cases_and_there_are_120_in_all() -> None:
    groups = Counter(case.group for case in all_cases())
    assert {group: count for group, count in groups.items() if count < 6} == {}
    assert groups.total() >= 120


def test_the_table_in_the_docs_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == render(all_cases()), "run `make conformance-table`"
