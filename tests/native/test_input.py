"""Inputs that are read, inputs that are refused, and the text of the refusal."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy_format

from tests.native.conftest import Array, Task, largest_error, smooth


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_both_versions_of_npy_are_read(
    task: Task, tmp_path: Path, version: tuple[int, int]
) -> None:
    original = smooth((20, 30))
    with (tmp_path / "a.npy").open("wb") as file:
        npy_format.write_array(file, original, version=version)
    task.good("compress", tmp_path / "a.npy", "-o", tmp_path / "a", "--tolerance", "1e-3")
    assert largest_error(original, task.decompress(tmp_path / "a", tmp_path / "b.npy")) <= 1e-3


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_raw_files_are_read_as_described(
    task: Task, tmp_path: Path, dtype: str, order: str
) -> None:
    original = smooth((20, 30, 7), dtype, order=order)
    (tmp_path / "a.raw").write_bytes(original.tobytes(order="A"))
    arguments = ["--dtype", f"float{8 * int(dtype[2])}", "--shape", "20,30,7"]
    arguments += ["--big-endian"] if dtype[0] == ">" else []
    arguments += ["--fortran-order"] if order == "F" else []
    packed = tmp_path / "a.hpcz"
    task.good("compress", tmp_path / "a.raw", "-o", packed, "--tolerance", "1e-3", *arguments)
    restored = task.decompress(packed, tmp_path / "b.npy")
    assert restored.dtype == original.dtype
    assert largest_error(original, restored) <= 1e-3
    assert task.good("verify", tmp_path / "a.raw", packed, *arguments)["bound_ok"] is True


def test_a_header_of_odd_length_does_not_matter(task: Task, tmp_path: Path) -> None:
    original = smooth((20, 30))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (20, 30)}\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(content + original.tobytes())
    task.good("compress", tmp_path / "a.npy", "-o", tmp_path / "a", "--tolerance", "1e-3")
    assert largest_error(original, task.decompress(tmp_path / "a", tmp_path / "b.npy")) <= 1e-3


UNSUPPORTED: dict[str, Array] = {
    "<i4": np.zeros(3, "<i4"),
    "<f2": np.zeros(3, "<f2"),
    "<c16": np.zeros(3, "<c16"),
    "|b1": np.zeros(3, bool),
    "|S4": np.zeros(3, "S4"),
    "structured": np.zeros(3, [("a", "<f4"), ("b", "<f8")]),
    "0 dimensions": np.array(3.0),
    "5 dimensions": np.zeros((2, 2, 2, 2, 2)),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_other_types_and_shapes_are_refused_by_name(task: Task, tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "a.npy", UNSUPPORTED[name])
    outcome = task.run("compress", tmp_path / "a.npy", "-o", tmp_path / "a", "--tolerance", "1")
    assert outcome.code == 4
    assert name in outcome.stderr
    assert outcome.stdout == ""


def test_other_raw_types_are_refused_by_name(task: Task, tmp_path: Path) -> None:
    arguments = ["-o", tmp_path / "a", "--tolerance", "1", "--dtype", "int16", "--shape", "3"]
    outcome = task.run("compress", tmp_path / "a.raw", *arguments)
    assert outcome.code == 4
    assert "int16" in outcome.stderr


def saved(values: Array, directory: Path) -> bytes:
    np.save(directory / "x.npy", values)
    content = (directory / "x.npy").read_bytes()
    (directory / "x.npy").unlink()
    return content


@pytest.mark.parametrize("damage", ["shorter", "longer", "no magic", "header", "empty", "shape"])
def test_a_file_that_is_not_what_it_says_is_unreadable(
    each_task: Task, tmp_path: Path, damage: str
) -> None:
    content = saved(smooth((20, 30)), tmp_path)
    damaged = {
        "shorter": content[:-1],
        "longer": content + b"x",
        "no magic": b"y" + content[1:],
        "header": content[:60],
        "empty": b"",
        "shape": content.replace(b"(20, 30)", b"(20, 31)"),
    }[damage]
    (tmp_path / "a.npy").write_bytes(damaged)
    outcome = each_task.run(
        "compress", tmp_path / "a.npy", "-o", tmp_path / "a", "--tolerance", "1"
    )
    assert outcome.code == 3
    assert "a.npy" in outcome.stderr


@pytest.mark.parametrize("shape", ["20,30", "1000000000000,1000000000000", "601"])
def test_a_raw_file_of_another_size_is_refused(task: Task, tmp_path: Path, shape: str) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(4 * 600 + 4))
    arguments = ["-o", tmp_path / "a", "--tolerance", "1", "--dtype", "float32"]
    outcome = task.run("compress", tmp_path / "a.raw", *arguments, "--shape", shape)
    assert outcome.code == {"20,30": 3, "601": 0}.get(shape, 2)


def test_missing_files_directories_and_pipes_are_unreadable(task: Task, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        for name in ("nothing", ".", "pipe"):
            for command in (["compress", "--tolerance", "1"], ["decompress"]):
                outcome = task.run(*command, tmp_path / name, "-o", tmp_path / "a")
                assert outcome.code == 3, outcome
    finally:
        os.close(writer)


def test_missing_data_can_be_forbidden(task: Task, tmp_path: Path) -> None:
    values = smooth((20, 30))
    values[3, 4] = np.nan
    np.save(tmp_path / "a.npy", values)
    for policy in (["--missing", "fail"], ["--bare"]):
        arguments = ["-o", tmp_path / "a", "--tolerance", "1e-3", *policy]
        outcome = task.run("compress", tmp_path / "a.npy", *arguments)
        assert outcome.code == 4
        assert "has 1 missing values" in outcome.stderr


REFUSED = [
    [],
    ["--tolerance", "0"],
    ["--tolerance", "-1"],
    ["--tolerance", "nan"],
    ["--tolerance", "inf"],
    ["--tolerance", "abc"],
    ["--tolerance"],
    ["--relative-tolerance", "0"],
    ["--relative-tolerance", "1.5"],
    ["--relative-tolerance", "nan"],
    ["--tolerance", "1", "--reversible"],
    ["--tolerance", "1", "--relative-tolerance", "0.1"],
    ["--tolerance", "1", "--missing", "maybe"],
    ["--tolerance", "1", "--dtype", "float32"],
    ["--tolerance", "1", "--big-endian"],
    ["--tolerance", "1", "--shape", "3", "--dtype", ""],
    ["--tolerance", "1", "--dtype", "float32", "--shape", "3,-1"],
    ["--tolerance", "1", "--fill-value", "x"],
    ["--tolerance", "1", "--fill-value", "1e300"],
    ["--tolerance", "1", "--generate", "8,1"],
    ["--tolerance", "1", "--nonsense"],
    ["--tolerance", "1e-9"],  # float32 cannot resolve that
    ["--relative-tolerance", "1e-9"],
]


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_parameters_that_cannot_be_kept_are_refused(
    task: Task, tmp_path: Path, arguments: list[str]
) -> None:
    np.save(tmp_path / "a.npy", smooth((20, 30), "<f4"))
    outcome = task.run("compress", tmp_path / "a.npy", "-o", tmp_path / "a", *arguments)
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("compress_task: error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize("fill", ["-9999", "-1e10", "1e20", "0", "nan"])
def test_fill_values_are_given_as_numbers_negative_ones_too(
    task: Task, tmp_path: Path, fill: str
) -> None:
    values = smooth((20, 30), "<f4")
    values[::2, ::3] = float(fill)
    np.save(tmp_path / "a.npy", values)
    arguments = ["-o", tmp_path / "a", "--tolerance", "1e-3", "--fill-value", fill]
    report = task.good("compress", tmp_path / "a.npy", *arguments)
    assert report["missing"] >= 100
