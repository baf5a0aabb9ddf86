import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hpckit.run import storage_check
from hpckit.run.rundir import RunDir
from hpckit.run.storage_check import storage_problem
from tests.unit.factories import make_run_dir

Statvfs = Callable[[object], object]


def saying(**about: int) -> Statvfs:
    base = {"f_flag": 0, "f_blocks": 100, "f_bavail": 100, "f_frsize": 4096}
    return lambda _: SimpleNamespace(**{**base, **about})


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    return make_run_dir(tmp_path / "run")


def test_a_directory_that_can_be_written_has_no_problem(run_dir: RunDir) -> None:
    assert storage_problem(run_dir) == ""


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"f_bavail": 3}, "no space is left"),
        ({"f_flag": os.ST_RDONLY}, "is read-only"),
        ({"f_blocks": 0, "f_bavail": 0}, ""),  # a file system that does not say
    ],
)
def test_the_reason_why_a_run_cannot_be_resumed_is_reported(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch, about: dict[str, int], words: str
) -> None:
    monkeypatch.setattr(storage_check.os, "statvfs", saying(**about))
    assert words in storage_problem(run_dir)
    assert bool(words) == bool(storage_problem(run_dir))


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    assert "cannot be looked at" in storage_problem(RunDir(tmp_path / "gone"))
