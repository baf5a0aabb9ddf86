#!/usr/bin/env python3
"""Write the seeds of the fuzz corpus: one small compressed file for each way of storing.

python native/fuzz/make_seeds.py native/build/compress_task tests/native/corpus
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SHAPES = [(33,), (9, 10), (5, 6, 7), (3, 4, 5, 6)]
MODES = [["--tolerance", "1e-3"], ["--reversible"]]


def field(shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Return a smooth field with some noise."""
    values = np.random.default_rng(1).standard_normal(shape)
    for axis in range(len(shape)):
        values = values.cumsum(axis)
    return values.astype(dtype)


def with_holes(values: npt.NDArray[Any], kind: str) -> npt.NDArray[Any]:
    """Return a copy with missing values of one of the kinds that the mask distinguishes."""
    holes = values.copy()
    flat = holes.reshape(-1)
    if kind == "all":
        flat[:] = np.nan
    elif kind == "runs":
        flat[3:20] = np.nan
        flat[25:30] = -9999
    elif kind == "bitmap":
        flat[::2] = np.inf
    else:
        flat[::3] = np.nan
        flat[1::3] = -9999
    return holes


def write_seeds(executable: str, directory: Path) -> None:
    """Compress every case into `directory`."""
    cases: dict[str, tuple[npt.NDArray[Any], list[str]]] = {}
    for shape in SHAPES:
        for dtype in ("<f4", ">f4", "<f8", ">f8"):
            for mode in MODES:
                name = f"{len(shape)}d-{dtype[1:]}{'be' if dtype[0] == '>' else ''}-{mode[0][2:]}"
                cases[name] = (field(shape, dtype), mode)
    for kind in ("all", "runs", "bitmap", "mixed"):
        cases[f"holes-{kind}"] = (with_holes(field((20, 30), "<f4"), kind), MODES[0])
    cases["raw"] = (field((2,), "<f8"), MODES[0])
    cases["empty"] = (np.zeros((0, 3)), MODES[0])
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "a.npy"
        for name, (values, mode) in cases.items():
            np.save(source, values)
            target = directory / f"{name}.hpcz"
            command = [executable, "compress", str(source), "-o", str(target), *mode]
            subprocess.run([*command, "--fill-value", "-9999"], check=True, capture_output=True)
        np.save(source, field((3, 4), "<f4"))
        (directory / "header.npy").write_bytes(source.read_bytes())


if __name__ == "__main__":
    write_seeds(sys.argv[1], Path(sys.argv[2]))
