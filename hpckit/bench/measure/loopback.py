"""What passes through the loopback interface, over which everything on one machine talks.

It counts what engine and hpckit send, orders and results, with all that the protocols add, alike
for each; and whatever else talks there meanwhile, which on a quiet machine is little. Unix
sockets and shared memory are not in it.
"""

from __future__ import annotations

from pathlib import Path


def bytes_received() -> int:
    """Return how many bytes have passed since the machine started."""
    return parse(Path("/proc/net/dev").read_text())


def parse(text: str) -> int:
    """Read ``/proc/net/dev``: the first number of ``lo`` is the bytes received; proc(5)."""
    for line in text.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[0])
    return 0
