"""Whether a run directory can be written now, and patience with one that cannot be read.

A head that finds its disk full cannot leave word of it there; whoever asks later can look.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

from hpckit.errors import StorageError
from hpckit.run.rundir import RunDir

T = TypeVar("T")

_PAUSES_S: Final = (0.1, 0.5, 1.0, 2.0)  # longer than a mount that is stale takes to be made anew
LEAST_BYTES: Final = 64 * 1024  # below that not even the next events fit


def patiently(read: Callable[[], T], what: str) -> T:
    """Return what `read` returns; try again for some seconds while a file server has a fit.

    Raises:
        StorageError: `read` still raises an OSError; `what` it does is in the message.
    """
    pauses = iter(_PAUSES_S)
    while True:
        try:
            return read()
        except OSError as error:
            pause_s = next(pauses, None)
            if pause_s is None:
                raise StorageError(f"cannot {what}: {error.strerror or error}") from error
        time.sleep(pause_s)


def storage_trouble(run_dir: RunDir) -> str:
    """Return in words what keeps a run from being resumed, ``""`` when nothing does."""
    try:
        found = os.statvfs(run_dir.root)
    except OSError as error:
        return f"{run_dir.root} cannot be looked at: {error.strerror}"
    if found.f_flag & os.ST_RDONLY:
        return f"the file system of {run_dir.root} is read-only"
    if found.f_blocks and found.f_bavail * found.f_frsize < LEAST_BYTES:
        return f"no space is left on the file system of {run_dir.root}: make room, then resume"
    if not os.access(run_dir.journal, os.W_OK):
        return f"you may not write to {run_dir.journal}"
    return ""
