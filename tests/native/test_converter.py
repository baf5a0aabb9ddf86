"""jobs/convert.py and jobs/fetch_demo_data.py."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.native.conftest import ROOT


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "jobs" / script), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def pp_record(content: bytes) -> bytes:
    length = struct.pack(">i", len(content))
    return length + content + length


def pp_field(rows: int, columns: int, *, packing: int = 0) -> bytes:
    integers = [0] * 45
    integers[17], integers[18], integers[20], integers[38] = rows, columns, packing, 1
    reals = [0.0] * 19
    reals[17] = -1073741824.0
    data = np.arange(rows * columns, dtype=">f4").tobytes() + b"extra-data!!"
    return pp_record(struct.pack(">45i19f", *integers, *reals)) + pp_record(data)


def test_a_pp_field_becomes_big_endian_float32(tmp_path: Path) -> None:
    (tmp_path / "ice.pp").write_bytes(pp_field(3, 4))
    done = run("convert.py", tmp_path / "ice.pp", "-o", tmp_path)
    described = json.loads(done.stdout)
    values = np.load(tmp_path / "ice.npy")
    assert values.dtype == np.dtype(">f4")
    assert np.array_equal(values, np.arange(12).reshape(3, 4))
    assert described["fill_value"] == -1073741824.0
    assert described["missing"] == 0


def test_several_pp_fields_become_numbered_files(tmp_path: Path) -> None:
    (tmp_path / "ice.pp").write_bytes(pp_field(3, 4) + pp_field(2, 2))
    assert run("convert.py", tmp_path / "ice.pp", "-o", tmp_path).returncode == 0
    assert np.load(tmp_path / "ice.0001.npy").shape == (2, 2)


@pytest.mark.parametrize("content", [pp_field(3, 4)[:-5], pp_field(3, 4, packing=1), b"nonsense"])
def test_a_pp_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ice.pp").write_bytes(content)
    done = run("convert.py", tmp_path / "ice.pp", "-o", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("convert: error: ")
    assert not list(tmp_path.glob("*.npy"))


def test_a_netcdf_variable_keeps_its_values_and_names_its_fill_value(
    tmp_path: Path, sample_data: Path
) -> None:
    source = sample_data / "ostia_monthly.nc"
    done = run("convert.py", source, "-o", tmp_path, "--variable", "surface_temperature")
    described = json.loads(done.stdout)
    assert described["missing"] == 110_970
    assert np.load(described["file"]).shape == (54, 18, 432)


def test_an_unknown_variable_is_refused_with_those_there_are(
    tmp_path: Path, sample_data: Path
) -> None:
    done = run("convert.py", sample_data / "ostia_monthly.nc", "-o", tmp_path, "--variable", "x")
    assert done.returncode == 2
    assert "surface_temperature" in done.stderr


def test_the_demo_data_is_written_once(tmp_path: Path, sample_data: Path) -> None:
    assert sample_data.is_dir()
    first = run("fetch_demo_data.py", tmp_path / "data")
    assert "121 fields" in first.stdout
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()}
    assert len(times) == 121
    assert "(0 new)" in run("fetch_demo_data.py", tmp_path / "data").stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()} == times
    ice = np.load(next((tmp_path / "data").glob("northward*.npy")))
    assert ice.dtype == np.dtype(">f4")
    assert ice.shape == (215, 360)
    assert np.abs(ice).max() < 2
    air = np.load(tmp_path / "data" / "A1B_north_america.air_temperature.npy")
    assert air.shape == (240, 37, 49)
    assert 200 < air.min() < air.max() < 330
