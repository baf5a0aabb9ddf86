"""This machine: its hardware, installed versions, and how busy other programs keep it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from hpckit import __version__
from hpckit.bench.measure.statistics import interquartile
from hpckit.bench.measure.workload import Workload

#: If others use this part of the CPUs or more, the machine is too busy to measure on.
BUSY_SHARE: Final = 0.5
#: Interquartile range of a lone task's times, as a part of their median, above which they are no
#: basis for a comparison. Tasks of some ms vary by a fifth on a quiet machine (ran: a virtual one).
DRIFT: Final = 0.3
_POLL_S: Final = 1.0


def cpu_count() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def busy_cpus() -> float:
    """Return how many CPUs other programs keep busy, measured for a second.

    The load average would still contain the scenario before this one.
    """
    return float(psutil.cpu_percent(_POLL_S)) / 100 * (os.cpu_count() or 1)


def describe() -> dict[str, Any]:
    """Return hardware, kernel and Python of this machine."""
    return {
        "cpus": cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "model": _model(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def noise(busy: Sequence[float], alone: Mapping[int, Sequence[float]]) -> list[str]:
    """Return a sentence for each reason to doubt the figures.

    Args:
        busy: CPUs that others kept busy, before and after.
        alone: all times of a task by itself, by size.
    """
    words = []
    most = BUSY_SHARE * cpu_count()
    for when, value in zip(("before", "after"), busy, strict=True):
        if value >= most:
            words.append(f"{when} it, others kept {value:.1f} of {cpu_count()} CPUs busy")
    for size, times in alone.items():
        spread, middle = interquartile(times), statistics.median(times)
        if spread > DRIFT * middle:
            words.append(
                f"a task of size {size} alone took {middle * 1000:.3g} ms, but a half of the "
                f"{len(times)} measurements lies {spread * 1000:.3g} ms apart"
            )
    return words


def versions(workload: Workload) -> dict[str, str | None]:
    """Return the versions of all programs that take part; None for one that is not installed."""
    return {
        "hpckit": __version__,
        "ray": _package_version("ray"),
        "workqueue": _read_output(["work_queue_worker", "--version"], r"version (\S+)"),
        "parallel": _read_output(["parallel", "--version"], r"GNU parallel (\S+)"),
        "hyperqueue": _package_version("hyperqueue"),
        "zfp": _read_output([str(workload.program), "--version"], r"zfp (\S+)"),
    }


def _package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read_output(argv: list[str], pattern: str) -> str | None:
    if shutil.which(argv[0]) is None:
        return None
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else None
