"""A prefix that no other session of this machine uses at the moment."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.slurm.cluster.layout import Layout
from tests.slurm.cluster.shell import ClusterError

MOST = 8


@contextlib.contextmanager
def claimed(prefix: str) -> Iterator[Layout]:
    """The layout under `prefix`, else under `prefix`-2 and so on, whichever is free.

    The claim is an abstract Unix socket: it leaves no file, and ends with this process.
    """
    for number in range(1, MOST + 1):
        path = prefix if number == 1 else f"{prefix}-{number}"
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0hpckit-claim{path}")
        except OSError:
            claim.close()
            continue
        with claim:
            yield Layout(Path(path))
        return
    raise ClusterError(f"{MOST} sessions use clusters under {prefix} already; wait for one to end")
