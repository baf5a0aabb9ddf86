"""Try to read again for some seconds while a file server does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from hpckit.errors import StorageError

T = TypeVar("T")

_PAUSES_S: Final = (0.1, 0.5, 1.0, 2.0)  # together longer than it takes to renew a stale mount


def retry_io(read: Callable[[], T], what: str) -> T:
    """Return what `read` returns; try again for some seconds while a file server does not answer.

    Args:
        read: reads a file or directory.
        what: what it does, for the message: ``"read /runs/a/jobs.jsonl"``.

    Raises:
        StorageError: `read` still raises an OSError.
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
