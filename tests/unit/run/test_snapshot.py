from pathlib import Path

import pytest

from hpckit.run.snapshot import Counts, Snapshot, read_snapshot, write_snapshot
from tests.unit.factories import make_run_dir

SNAPSHOT = Snapshot(run="r", incarnation=1, counts=Counts(done=3, waiting=4), at=7.0)


def test_a_written_snapshot_can_be_read(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    write_snapshot(run_dir, SNAPSHOT)
    assert read_snapshot(run_dir) == SNAPSHOT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hpckit.snapshot/1", "hpckit.snapshot/2"),  # its keys may mean something else
        ('"run":', '"ran":'),
        ("}", ""),
    ],
)
def test_a_snapshot_that_cannot_be_read_counts_as_none(tmp_path: Path, old: str, new: str) -> None:
    run_dir = make_run_dir(tmp_path)
    write_snapshot(run_dir, SNAPSHOT)
    run_dir.snapshot.write_text(run_dir.snapshot.read_text().replace(old, new))
    assert read_snapshot(run_dir) is None
