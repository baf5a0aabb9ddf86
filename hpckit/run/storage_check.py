"""Find what keeps a run directory from being written.

A head that finds its disk full cannot leave word of it there; whoever asks later can look.
"""

from __future__ import annotations

import os
from typing import Final

from hpckit.run.rundir import RunDir

MIN_FREE_BYTES: Final = 64 * 1024  # below that not even the next events fit


def storage_trouble(run_dir: RunDir) -> str:
    """Return in words what keeps a run from being resumed, ``""`` when nothing does."""
    try:
        found = os.statvfs(run_dir.root)
    except OSError as error:
        return f"{run_dir.root} cannot be looked at: {error.strerror}"
    if found.f_flag & os.ST_RDONLY:
        return f"the file system of {run_dir.root} is read-only"
    if found.f_blocks and found.f_bavail * found.f_frsize < MIN_FREE_BYTES:
        return f"no space is left on the file system of {run_dir.root}: make room, then resume"
    if not os.access(run_dir.journal, os.W_OK):
        return f"you may not write to {run_dir.journal}"
    return ""
