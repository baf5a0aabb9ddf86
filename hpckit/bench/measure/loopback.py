"""Bytes through the loopback interface, which all communication on one machine uses.

The count contains what engine and hpckit send, tasks and results, with all that the protocols add,
and whatever other programs send at that time, which is little on a quiet machine. Unix sockets and
shared memory are not in it.
"""

from __future__ import annotations

from pathlib import Path


def bytes_received() -> int:
    """Return how many bytes have passed since the machine started."""
    return parse_net_dev(Path("/proc/net/dev").read_text())


def parse_net_dev(text: str) -> int:
    """Read ``/proc/net/dev``: the first number of ``lo`` is the bytes received; proc(5)."""
    for line in text.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[0])
    return 0
