"""A bounded head and tail of a stream of any length."""

from __future__ import annotations

import json
from typing import Any


class Capture:
    """Keeps the first `head_bytes` and the last `tail_bytes`, counts what lies between."""

    def __init__(self, head_bytes: int, tail_bytes: int) -> None:
        self._head_bytes = head_bytes
        self._tail_bytes = tail_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._total += len(data)
        room = self._head_bytes - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._tail_bytes + 65536:  # trimmed now and then, not each time
            del self._tail[: -self._tail_bytes or None]

    def text(self) -> str:
        """Return head and tail, and between them a line that says how much was dropped."""
        tail = self._tail[-self._tail_bytes :] if self._tail_bytes else b""
        dropped = self._total - len(self._head) - len(tail)
        if not dropped:
            return (self._head + tail).decode(errors="replace")
        note = f"\n[... {dropped} bytes dropped ...]\n"
        return self._head.decode(errors="replace") + note + tail.decode(errors="replace")


def last_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that is the last line of `text`, if it is one."""
    line = text.rstrip().rpartition("\n")[2]
    if not (line.startswith("{") and line.endswith("}")):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # nested too deeply to be somebody's results
        return None
    return found if isinstance(found, dict) else None
