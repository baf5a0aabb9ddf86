"""A case that failed is tried a second time, and the report says so."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.case import Case
from tests.conformance.driver import Slurm
from tests.conformance.report import Record, as_document, summary_lines
from tests.conformance.runner import Outcome, run_one


class Cluster:
    """Directories for cases, without a Slurm."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: Any = None

    def for_case(self, name: str) -> Slurm:
        directory = self.root / name
        directory.mkdir()
        return Slurm("real", self.root, directory, ["n1"], "me", self.faults)


def outcome_of(root: Path, backend: str, fails: int) -> Outcome:
    """Run a case that fails `fails` times before it passes."""
    directories: list[str] = []

    def body(slurm: Slurm) -> None:
        directories.append(slurm.directory.name)
        assert len(directories) > fails, f"try {len(directories)}"

    found: list[Outcome] = []
    cluster: Any = Cluster(root)
    case = Case("arrays", "a_case", (), body)
    run_one(backend, cluster, case, found.append, threading.Event())
    assert directories == ["arrays-a_case", "arrays-a_case-again"][: len(directories)]
    return found[0]


def test_a_case_that_fails_once_on_the_real_slurm_is_tried_again_and_named(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, "real", fails=1)
    assert (outcome.trouble, "try 1" in outcome.at_first) == ("", True)
    record = Record([outcome])
    assert "tried again on the real Slurm: arrays/a_case: " in "\n".join(summary_lines(record))
    assert as_document(record)["tried_again"]


@pytest.mark.parametrize(("backend", "fails"), [("real", 2), ("emulated", 1)])
def test_one_that_fails_twice_or_on_the_emulated_slurm_has_failed(
    tmp_path: Path, backend: str, fails: int
) -> None:
    outcome = outcome_of(tmp_path, backend, fails)
    assert f"try {fails}" in outcome.trouble
    assert summary_lines(Record([outcome]))[-1].startswith("total") == (backend == "emulated")
