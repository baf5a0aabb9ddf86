"""Space is checked before measuring, and no result is thrown away after it."""

from __future__ import annotations

import errno
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hpckit.bench.measure import store
from hpckit.errors import StorageError

DOCUMENT = {"scenario": "spot", "place": {"kind": "emulated"}}


@pytest.fixture(autouse=True)
def _plain_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(store, "render", lambda _: "all of it\n")


def test_both_files_are_written(tmp_path: Path) -> None:
    paths = store.write(DOCUMENT, tmp_path)
    assert [path.name for path in paths] == ["bench-spot.json", "spot_sim_summary.txt"]
    assert json.loads(paths[0].read_text()) == DOCUMENT


def test_results_that_cannot_be_written_are_kept_elsewhere(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(StorageError) as found:
        store.write(DOCUMENT, gone)
    assert f"cannot write {gone}" in str(found.value)
    kept = next((tmp_path / "tmp").iterdir())
    assert (
        found.value.hint == f"The results are in {kept}: free some space, and copy them to {gone}."
    )
    assert len(list(kept.iterdir())) == 2


def test_a_full_disk_is_found_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def format_full(**_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.tempfile, "TemporaryFile", format_full)
    with pytest.raises(StorageError) as found:
        store.prepare_directory(tmp_path / "out")
    assert "No space left on device" in str(found.value)
    assert "--out" in found.value.hint


def test_a_probe_leaves_nothing(tmp_path: Path) -> None:
    store.prepare_directory(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
