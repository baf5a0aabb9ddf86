"""The sessions of this machine that use a cluster at the moment.

All of it is abstract Unix sockets: they leave no file, and end with their process.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.slurm.cluster.layout import Layout
from tests.slurm.cluster.shell import ClusterError

MOST = 8


@contextlib.contextmanager
def claimed(prefix: str) -> Iterator[Layout]:
    """Claim the first free layout of `prefix`, `prefix`-2 and so on."""
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


@contextlib.contextmanager
def used(layout: Layout) -> Iterator[None]:
    """Let other sessions see that this process uses the cluster."""
    with socket.socket(socket.AF_UNIX) as mark:
        mark.bind(f"\0{_user(layout)}{os.getpid()}.{mark.fileno()}")
        yield


def is_used(layout: Layout) -> bool:
    """Return True if any session uses the cluster."""
    return f" @{_user(layout)}" in Path("/proc/net/unix").read_text()


def _user(layout: Layout) -> str:
    return f"hpckit-user{layout.prefix}#"
