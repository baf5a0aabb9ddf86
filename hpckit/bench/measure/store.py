"""Where a scenario's results are kept: one JSON document and one text, whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hpckit.bench.report.text import render
from hpckit.errors import StorageError
from hpckit.run.rundir import write_atomically

_TEXTS: Final = {
    ("baseline", "emulated"): "benchmark_summary.txt",
    ("slurm", "emulated"): "slurm_sim_summary.txt",
    ("slurm", "slurm"): "slurm_real_summary.txt",
    ("spot", "emulated"): "spot_sim_summary.txt",
    ("spot", "slurm"): "spot_real_summary.txt",
}
_MIN_FREE_BYTES: Final = (
    256 * 1024
)  # bytes that a scenario's files, and those beside them, may take


def file_names(scenario: str, kind: str) -> tuple[str, str]:
    """Return the names of document and text for a scenario on an ``emulated`` or real Slurm."""
    real = "-real" if kind == "slurm" else ""
    return f"bench-{scenario}{real}.json", _TEXTS[scenario, kind]


def prepare_directory(out: Path) -> None:
    """Make the directory, before anything is measured.

    Raises:
        StorageError: it cannot be made or written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as probe:
            probe.write(bytes(_MIN_FREE_BYTES))
            probe.flush()
    except OSError as error:
        raise StorageError(
            f"cannot write results to {out}: {error.strerror}", hint="Name another with --out."
        ) from error


def write(document: Mapping[str, Any], out: Path) -> list[Path]:
    """Write both files, and return their paths.

    Raises:
        StorageError: they cannot be written there; minutes of measuring are then kept elsewhere.
    """
    try:
        return _write(document, out)
    except StorageError as error:
        try:
            kept = _write(document, Path(tempfile.mkdtemp(prefix="hpckit-bench-")))
        except (OSError, StorageError):
            raise StorageError(error.message, hint="Make room, and measure again.") from error
        raise StorageError(
            error.message,
            hint=f"It is kept in {kept[0].parent}: make room, and copy it to {out}.",
        ) from error


def _write(document: Mapping[str, Any], out: Path) -> list[Path]:
    names = file_names(document["scenario"], document["place"]["kind"])
    paths = [out / name for name in names]
    write_atomically(paths[0], json.dumps(document, indent=1) + "\n", mode=0o644)
    write_atomically(paths[1], render(document), mode=0o644)
    return paths
