"""Memory does not grow with the array."""

from __future__ import annotations

import filecmp
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.native.conftest import Task

MEGABYTE = 1_000_000

long_only = pytest.mark.skipif(
    "COMPRESS_TASK_LONG" not in os.environ,
    reason="takes minutes and 10 GB of disk; 'make test-native-long' runs it",
)


def data_limit(size: int) -> Callable[[], None]:
    """As `prlimit --data` does."""
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def large(path: Path, shape: tuple[int, ...], dtype: str) -> np.memmap[Any, Any]:
    """A .npy file of zeros that takes no room, mapped for writing."""
    return np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=shape)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((50, 1000, 1000), "<f8"),
        ((50_000_000,), ">f8"),
        ((4, 25_000_000), "<f4"),
        ((3, 3, 3, 2_000_000), "<f8"),
    ],
)
def test_400_megabytes_need_less_than_40(
    task: Task, tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    values = large(tmp_path / "a.npy", shape, dtype)
    values.reshape(-1)[: values.size // 50 : 1000] = np.nan
    values.flush()
    limits = {"preexec_fn": data_limit(40 * MEGABYTE)}
    packed = tmp_path / "a.hpcz"
    compress = ["compress", tmp_path / "a.npy", "-o", packed, "--tolerance", "1e-3"]
    reports = [
        task.good(*compress, **limits),
        task.good("verify", tmp_path / "a.npy", packed, **limits),
        task.good("decompress", packed, "-o", tmp_path / "b.npy", **limits),
    ]
    for report in reports:
        assert report["peak_rss_bytes"] < 250 * MEGABYTE, report["command"]
    assert filecmp.cmp(tmp_path / "a.npy", tmp_path / "b.npy", shallow=False)


@long_only
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("generated", ["--tolerance", "1e-3"]),
        ("generated", ["--relative-tolerance", "1e-4"]),
        ("random holes", ["--tolerance", "1e-3"]),
    ],
)
def test_4_gigabytes_need_less_than_600_megabytes(
    task: Task, tmp_path: Path, kind: str, mode: list[str]
) -> None:
    source, packed = tmp_path / "a.npy", tmp_path / "a.hpcz"
    if kind == "generated":
        task.good("generate", "-o", source, "--size", 800, "--seed", 1)
    else:
        rng = np.random.default_rng(0)
        values = large(source, (1024, 1024, 1024), "<f4")
        for plane in values:
            plane[:] = np.sin(np.arange(1024, dtype="f4") / 50)
            plane[rng.random((1024, 1024), "f4") < 0.5] = np.nan
        values.flush()
    assert source.stat().st_size > 4_000 * MEGABYTE
    limits = {"preexec_fn": data_limit(600 * MEGABYTE)}
    report = task.good("compress", source, "-o", packed, *mode, **limits)
    assert report["bound_ok"] is True
    assert task.good("verify", source, packed, **limits)["bound_ok"] is True
    task.good("decompress", packed, "-o", tmp_path / "b.npy", **limits)
    source.unlink()
    (tmp_path / "b.npy").unlink()
