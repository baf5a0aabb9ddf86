"""The cluster's clock: real time, or faster."""

from __future__ import annotations

import time


class Clock:
    """Epoch seconds that run `scale` times as fast as real ones, and never backwards."""

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        self.scale = scale
        self._real = time.monotonic()
        self._then = time.time() + offset

    def now(self) -> float:
        """Return the cluster's time."""
        return self._then + (time.monotonic() - self._real) * self.scale

    def rescale(self, scale: float) -> None:
        """Run at another speed from now on."""
        self._then, self._real, self.scale = self.now(), time.monotonic(), scale

    def real_delay(self, when: float) -> float:
        """Return the real seconds until a time of the cluster's, at least 0."""
        return max(0.0, (when - self.now()) / self.scale)

    @property
    def offset(self) -> float:
        """Seconds by which the cluster's clock is ahead of the machine's."""
        return self.now() - time.time()
