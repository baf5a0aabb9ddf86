"""Questions to Slurm that must not hold up the loop.

Each is asked in a thread of its own, at most one at a time, with growing and jittered pauses:
a controller that is slow or does not answer costs the loop nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from hpckit.common.backoff import Backoff
from hpckit.common.log import say
from hpckit.errors import HpckitError

T = TypeVar("T")

JITTER: Final = (0.8, 1.2)


class Poller(Generic[T]):
    """Runs a function beside the loop, again and again, as `due` and `ask` say.

    Args:
        first_pause_s: between the first two questions.
        longest_pause_s: between later ones; each pause is half as long again as the one before.
        clock: monotonic, seconds.
        about: what is asked, as text for the head's log; ``""``: failures are not told there.
    """

    def __init__(
        self,
        *,
        first_pause_s: float,
        longest_pause_s: float,
        clock: Callable[[], float] = time.monotonic,
        about: str = "",
    ) -> None:
        self._first_pause_s = first_pause_s
        self._pauses = Backoff(first_pause_s, longest_pause_s, factor=1.5, jitter=JITTER)
        self._clock = clock
        self._about = about
        self._away = False  # True if the last question failed
        self._pool = ThreadPoolExecutor(1)
        self._answer: Future[T] | None = None
        self._next_at = 0.0
        self._asked_at = -first_pause_s
        self.error: HpckitError | None = None  # of the last question, if it failed

    @property
    def idle(self) -> bool:
        """True if no question is being asked, and no answer waits to be taken."""
        return self._answer is None

    @property
    def due(self) -> bool:
        """True if it is time to ask, and no question is being asked."""
        return self._answer is None and self._clock() >= self._next_at

    def poll_soon(self, within_s: float | None = None) -> None:
        """Start again with the first pause: something has happened. Ask within so long, by default
        the first pause, if the last question is not more recent than that pause."""
        self._pauses.reset()
        soon = self._clock() + (self._first_pause_s if within_s is None else within_s)
        soon = max(soon, self._asked_at + self._first_pause_s)
        self._next_at = min(self._next_at, soon) if self._next_at else soon

    def ask(self, question: Callable[[], T]) -> None:
        """Ask; `take` has the answer later."""
        self._answer = self._pool.submit(question)
        self._asked_at = self._clock()
        self._next_at = self._asked_at + self._pauses.next_s()

    def take(self) -> T | None:
        """Return an answer once, None while there is none or when asking failed (`error`)."""
        if self._answer is None or not self._answer.done():
            return None
        answer, self._answer, self.error = self._answer, None, None
        try:
            found = answer.result()
        except HpckitError as error:
            self.error = error
            self._tell(error.message.partition("\n")[0])
            return None
        self._tell("")
        return found

    def _tell(self, trouble: str) -> None:
        """Say that a question failed and when it is asked again, or that it is answered again."""
        if self._about and trouble:
            pause_s = max(0.0, self._next_at - self._clock())
            say(f"cannot ask {self._about}, again in {pause_s:.0f} s: {trouble}")
        elif self._about and self._away:
            say(f"Slurm answers again {self._about}")
        self._away = bool(trouble)

    def close(self) -> None:
        """Ask no more; an answer that is under way is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
