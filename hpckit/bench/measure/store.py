"""Writes the results of a scenario, a JSON document and a text, each whole or not at all."""

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
_MIN_FREE_BYTES: Final = 256 * 1024  # more than the files of a scenario take


def file_names(scenario: str, kind: str) -> tuple[str, str]:
    """Return the names of document and text; `kind` is ``emulated`` or ``slurm``."""
    real = "-real" if kind == "slurm" else ""
    return f"bench-{scenario}{real}.json", _TEXTS[scenario, kind]


def prepare_directory(out: Path) -> None:
    """Make the directory before anything is measured.

    Raises:
        StorageError: it cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as probe:
            probe.write(bytes(_MIN_FREE_BYTES))
            probe.flush()
    except OSError as error:
        raise StorageError(
            f"cannot write results to {out}: {error.strerror}",
            hint="Give another with --out.",
        ) from error


def write(document: Mapping[str, Any], out: Path) -> list[Path]:
    """Write both files; return their paths.

    Raises:
        StorageError: `out` cannot be written to; the files are then in a temporary directory.
    """
    try:
        return _write(document, out)
    except StorageError as error:
        try:
            kept = _write(document, Path(tempfile.mkdtemp(prefix="hpckit-bench-")))
        except (OSError, StorageError):
            raise StorageError(error.message, hint="Free some space, and measure again.") from error
        raise StorageError(
            error.message,
            hint=f"The results are in {kept[0].parent}: free some space, and copy them to {out}.",
        ) from error


def _write(document: Mapping[str, Any], out: Path) -> list[Path]:
    names = file_names(document["scenario"], document["place"]["kind"])
    paths = [out / name for name in names]
    write_atomically(paths[0], json.dumps(document, indent=1) + "\n", mode=0o644)
    write_atomically(paths[1], render(document), mode=0o644)
    return paths
