"""Pauses between tries that grow while they fail."""

from __future__ import annotations


class BackOff:
    """Pauses in seconds, each twice as long as the one before, from `first_s` to `most_s`."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = self._next_s = first_s
        self._most_s = most_s

    def next_s(self) -> float:
        """Return the next pause."""
        pause_s, self._next_s = self._next_s, min(self._next_s * 2, self._most_s)
        return pause_s

    def reset(self) -> None:
        """Begin anew: something went well."""
        self._next_s = self._first_s
