"""The Python implementation by itself: what it refuses, what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpckit import zfp
from hpckit.errors import InputError
from tests.native.conftest import Array, Task, largest_error, raw_bits, smooth


def test_what_is_written_is_read(tmp_path: Path) -> None:
    original = smooth((20, 30), "<f4")
    header = zfp.write(tmp_path / "a", original, tolerance=0.01)
    restored = zfp.read(tmp_path / "a")
    assert largest_error(original, restored) == header.max_abs_error <= 0.01
    assert zfp.read_header((tmp_path / "a").read_bytes()) == header


@pytest.mark.parametrize(
    ("values", "tolerance"),
    [
        (np.zeros(3, "i4"), 0.1),
        (np.zeros((1, 1, 1, 1, 1)), 0.1),
        (np.zeros(()), 0.1),
        (np.zeros(3), 0.0),
        (np.zeros(3), -1.0),
        (np.zeros(3), float("nan")),
        (np.zeros(3), float("inf")),
    ],
)
def test_what_cannot_be_handled_is_refused(tmp_path: Path, values: Array, tolerance: float) -> None:
    with pytest.raises(InputError, match="needed"):
        zfp.write(tmp_path / "a", values, tolerance=tolerance)
    assert list(tmp_path.iterdir()) == []


def test_an_undeclared_fill_value_is_an_error_that_names_it(tmp_path: Path) -> None:
    values = smooth((20, 30), "<f4")
    values[3:9] = 1e20
    with pytest.raises(zfp.BoundViolatedError, match=r"bound violated.*1e\+20"):
        zfp.write(tmp_path / "a", values, tolerance=0.01)
    assert list(tmp_path.iterdir()) == []


def test_its_report_agrees_with_the_executables(task: Task, tmp_path: Path) -> None:
    values = smooth((20, 30), "<f4")
    values[3:9] = 1e20
    np.save(tmp_path / "a.npy", values)
    ours: dict[str, Any] = zfp.compress_file(tmp_path / "a.npy", tmp_path / "p", 0.01, [1e20])
    arguments = ["--tolerance", "0.01", "--fill-value", "1e20"]
    theirs = task.good("compress", tmp_path / "a.npy", "-o", tmp_path / "c", *arguments)
    same = ["schema", "command", "dtype", "shape", "bytes_in", "mode", "tolerance_requested"]
    same += ["tolerance_effective", "bound_ok", "missing", "xxh3_original", "stored"]
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    assert ours["max_abs_error"] == pytest.approx(theirs["max_abs_error"], rel=0.5)
    assert np.array_equal(raw_bits(zfp.read(tmp_path / "p"))[3:9], raw_bits(values)[3:9])
