"""Fields that people have, with the fill values that they have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.native.conftest import ROOT, Array, Task, largest_error, raw_bits

FILL = np.float32(1e20)


@pytest.fixture(scope="module")
def ostia(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sea-surface temperature: float32, 26 % of it the fill value 1e20."""
    directory = tmp_path_factory.mktemp("ostia")
    script, source = ROOT / "jobs/convert.py", sample_data / "ostia_monthly.nc"
    done = subprocess.run(
        [sys.executable, str(script), str(source), "-o", str(directory)],
        check=True,
        capture_output=True,
        text=True,
    )
    described = json.loads(done.stdout)
    assert described["fill_value"] == float(FILL)
    return Path(described["file"])


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-3])
def test_with_its_fill_value_the_bound_holds_as_numpy_confirms(
    task: Task, tmp_path: Path, ostia: Path, tolerance: float
) -> None:
    packed = tmp_path / "t.hpcz"
    arguments = ["--tolerance", tolerance, "--fill-value", "1e20"]
    report = task.good("compress", ostia, "-o", packed, *arguments)
    original = np.load(ostia)
    restored = task.decompress(packed, tmp_path / "b.npy")
    land = original == FILL
    assert report["missing"] == np.count_nonzero(land) == 110_970
    assert np.array_equal(raw_bits(restored)[land], raw_bits(original)[land])
    assert largest_error(original, restored, ~land) <= tolerance
    assert report["max_abs_error"] == largest_error(original, restored, ~land)
    assert report["ratio"] > 2


def test_without_it_the_error_names_the_fill_value(task: Task, tmp_path: Path, ostia: Path) -> None:
    packed = tmp_path / "t.hpcz"
    outcome = task.run("compress", ostia, "-o", packed, "--tolerance", "0.01")
    assert outcome.code == 5
    assert "one value, 1e+20, fills 26 % of the field" in outcome.stderr
    assert "--fill-value 1e+20" in outcome.stderr
    assert outcome.report["bound_ok"] is False
    assert list(tmp_path.iterdir()) == []


def test_without_it_a_relative_tolerance_is_no_way_out(
    task: Task, tmp_path: Path, ostia: Path
) -> None:
    # 0.001 of the range that the fill value spans would allow any error at all.
    outcome = task.run("compress", ostia, "-o", tmp_path / "t", "--relative-tolerance", "0.001")
    assert outcome.code == 5
    assert "1e+20" in outcome.stderr


def test_without_it_lossless_storage_can_be_asked_for(
    task: Task, tmp_path: Path, ostia: Path
) -> None:
    packed = tmp_path / "t.hpcz"
    arguments = ["--tolerance", "0.01", "--on-violation", "lossless"]
    outcome = task.run("compress", ostia, "-o", packed, *arguments)
    assert outcome.code == 0
    assert "storing losslessly" in outcome.stderr
    assert outcome.report["stored"] == "reversible"
    task.decompress(packed, tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == ostia.read_bytes()


def ocean_like(fill: float) -> Array:
    """Temperatures with land: a smooth sea and a coast, as float32."""
    y, x = np.mgrid[0:180, 0:360]
    sea = (15 + 12 * np.cos(y / 40.0) + np.sin(x / 17.0) * np.cos(y / 9.0)).astype(np.float32)
    land = (x - 200) ** 2 / 60**2 + (y - 90) ** 2 / 50**2 < 1
    sea[land] = fill
    return np.asarray(sea)


@pytest.mark.parametrize("fill", [-1e10, -1e34, -32768.0, 9.96921e36, 1e20])
def test_no_undeclared_sentinel_breaks_a_bound_unseen(
    task: Task, tmp_path: Path, fill: float
) -> None:
    original = ocean_like(fill)
    np.save(tmp_path / "a.npy", original)
    packed = tmp_path / "a.hpcz"
    outcome = task.run("compress", tmp_path / "a.npy", "-o", packed, "--tolerance", "0.001")
    if outcome.code == 0:
        restored = task.decompress(packed, tmp_path / "b.npy")
        assert largest_error(original, restored) <= 0.001
    else:
        assert outcome.code == 5
        assert "fills 14 % of the field" in outcome.stderr
        task.good(
            "compress", tmp_path / "a.npy", "-o", packed, "--tolerance", "0.001",
            "--fill-value", repr(float(np.float32(fill))),
        )  # fmt: skip


def test_holes_cost_little(task: Task, tmp_path: Path) -> None:
    holes, dense = ocean_like(np.nan), ocean_like(15.0)
    sizes = []
    for name, values in (("holes", holes), ("dense", dense)):
        np.save(tmp_path / f"{name}.npy", values)
        arguments = [tmp_path / f"{name}.npy", "-o", tmp_path / "a.hpcz", "--tolerance", "0.001"]
        sizes.append(task.good("compress", *arguments)["bytes_out"])
    assert sizes[0] < 1.1 * sizes[1]


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_a_bound_that_verification_finds_broken_is_an_error_or_lossless(
    task: Task, tmp_path: Path, dtype: str
) -> None:
    # Decoding overshoots the largest number there is.
    most = float(np.finfo(dtype).max)
    signs = np.where(np.random.default_rng(0).random((16, 16, 16)) < 0.5, 1.0, -1.0)
    original = (most * signs).astype(dtype)
    np.save(tmp_path / "a.npy", original)
    arguments = ["-o", tmp_path / "a.hpcz", "--tolerance", most * float(np.finfo(dtype).eps) * 7]
    outcome = task.run("compress", tmp_path / "a.npy", *arguments)
    assert outcome.code == 5
    assert "values are out, the worst by inf" in outcome.stderr
    assert outcome.report["bound_ok"] is False
    assert not (tmp_path / "a.hpcz").exists()

    outcome = task.run("compress", tmp_path / "a.npy", *arguments, "--on-violation", "lossless")
    assert outcome.code == 0
    assert outcome.report["stored"] in ("reversible", "raw")
    task.decompress(tmp_path / "a.hpcz", tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()
