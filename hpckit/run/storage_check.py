"""Find out why a run directory cannot be written.

A head whose disk is full cannot write that down, so commands check it when they show a run.
"""

from __future__ import annotations

import os
from typing import Final

from hpckit.run.rundir import RunDir

MIN_FREE_BYTES: Final = 64 * 1024  # with less, the next events may not fit


def storage_problem(run_dir: RunDir) -> str:
    """Return why a run's directory cannot be written, ``""`` if it can."""
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
