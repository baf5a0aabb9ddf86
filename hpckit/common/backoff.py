"""Pauses that grow from try to try, for everything that waits and asks again."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Pauses in seconds: the first, then each `factor` times the one before, up to a limit.

    Args:
        first_s: the first pause.
        max_s: the longest pause.
        factor: how much longer each pause is than the one before.
        jitter: each pause is multiplied by a random number in this range, so that many
            processes do not ask at the same moment; (1, 1) is no jitter.
        chance: returns a random number from 0 to 1; tests give their own.
    """

    def __init__(
        self,
        first_s: float,
        max_s: float,
        *,
        factor: float = 2.0,
        jitter: tuple[float, float] = (1.0, 1.0),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = self._next_s = first_s
        self._max_s = max_s
        self._factor = factor
        self._jitter = jitter
        self._chance = chance

    def next_s(self) -> float:
        """Return the next pause; the one after it is longer."""
        pause_s, self._next_s = self._next_s, min(self._next_s * self._factor, self._max_s)
        low, high = self._jitter
        return pause_s * (low + (high - low) * self._chance()) if low < high else pause_s

    def reset(self) -> None:
        """Start again with the first pause."""
        self._next_s = self._first_s
