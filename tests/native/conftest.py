"""Fixtures of the tests of the C++ task: the executables, and a way to run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip(
    "zfpy", reason="the C++ task's tests need the extra 'zfp': pip install '.[zfp]'"
)

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_BUILDS = {"release": ROOT / "native/build", "sanitizer": ROOT / "native/build-asan"}

# A hang must end; a busy machine must not look like one.
PATIENCE_S = 3600 if "COMPRESS_TASK_LONG" in os.environ else 250

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run of the executable."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The one line of JSON on stdout."""
        assert self.stdout.count("\n") == 1, self.stdout
        document: dict[str, Any] = json.loads(self.stdout)
        return document


@dataclass(frozen=True)
class Task:
    """The executable under test."""

    path: Path

    def run(self, *arguments: object, **options: Any) -> Outcome:
        """Run it to its end, whatever that is."""
        done = subprocess.run(
            [str(self.path), *map(str, arguments)],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
            **options,
        )
        return Outcome(
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )

    def good(self, *arguments: object, **options: Any) -> dict[str, Any]:
        """Run it, demand success, and return its report."""
        outcome = self.run(*arguments, **options)
        assert outcome.code == 0, outcome
        assert outcome.stderr == "", outcome
        return outcome.report

    def decompress(self, compressed: Path, target: Path) -> Array:
        """Return the array that `decompress` makes."""
        self.good("decompress", compressed, "-o", target)
        array: Array = np.load(target)
        return array


def build(kind: str) -> Path:
    """The executable of a build, or skip the test."""
    given = os.environ.get("COMPRESS_TASK") if kind == "release" else None
    path = Path(given) if given else SAMPLE_BUILDS[kind] / "compress_task"
    if not path.exists():
        target = "native" if kind == "release" else "native-asan"
        pytest.skip(f"{path} is not built; 'make {target}' builds it")
    return path


@pytest.fixture(scope="session")
def task() -> Task:
    """The release build."""
    return Task(build("release"))


@pytest.fixture(scope="session", params=["release", "sanitizer"])
def each_task(request: pytest.FixtureRequest) -> Task:
    """The release build and the one with AddressSanitizer and UBSan."""
    return Task(build(request.param))


@pytest.fixture(scope="session")
def zfp_tool() -> str:
    """The `zfp` command of Debian's package of that name."""
    found = shutil.which("zfp")
    if found is None:
        pytest.skip("the zfp command is not installed; 'apt install zfp' installs it")
    return found


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The directory of iris-sample-data."""
    package = pytest.importorskip(
        "iris_sample_data", reason="iris-sample-data is not installed: pip install '.[demo]'"
    )
    return Path(package.path)


def smooth(shape: Sequence[int], dtype: str = "<f8", *, order: str = "C", seed: int = 0) -> Array:
    """A smooth field with a little noise, of any type, byte order and memory order.

    Values are multiples of 2**-12, so that even lossless storage gains something.
    """
    noise = np.random.default_rng(seed).normal(0.0, 0.003, tuple(shape))
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    waves = sum(np.sin(0.1 * (i + 1) * axis + i) for i, axis in enumerate(axes))
    values = np.round((10.0 * waves + noise) * 4096) / 4096
    made: Array = np.array(values.astype(dtype), order=order)  # type: ignore[call-overload]
    return made


def raw_bits(values: Array) -> Array:
    """The values' bits, as native unsigned integers in C order."""
    native = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("="))
    return native.view(f"u{values.dtype.itemsize}")


def largest_error(original: Array, restored: Array, valid: Array | None = None) -> float:
    """The largest absolute difference, computed in float64."""
    if valid is None:
        valid = np.ones(original.shape, bool)
    difference = original[valid].astype(np.float64) - restored[valid].astype(np.float64)
    return float(np.abs(difference).max(initial=0.0))
