"""What the head asks of an engine, and nothing more.

An engine carries bundles to workers and results back. Which workers there are, and which
have gone, the head learns at its door (`hpckit.head.door`), the same way for every engine.
All methods are called from one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from hpckit.spec.task import Bundle, BundleResult


@dataclass(frozen=True)
class Returned:
    """A runner returned the bundle, whole or part done."""

    result: BundleResult


@dataclass(frozen=True)
class Lost:
    """The engine gave the bundle up: its worker has gone, or the engine failed it."""

    bundle: str
    why: str


def read_result(bundle: str, text: str | bytes) -> Returned | Lost:
    """Return what an engine brought back for a bundle; what cannot be read is lost."""
    try:
        return Returned(BundleResult.from_json(text))
    except (ValueError, TypeError, KeyError) as error:
        return Lost(bundle, f"its result cannot be read: {error}")


class Engine(Protocol):
    """One engine on the head's side. Use: `start` once, then `submit` and `poll`, then `stop`.

    What every engine has to keep:

    - It tries nothing again by itself: a bundle that is given up comes back as `Lost` and does
      not run afterwards, because the head credits the spool first and decides then.
    - It reports bundles whose worker went before a runner began them; the head cannot know.
    - `submit` and `cancel` do not wait for the network: the door is served in between.
    - On the node, what it runs for a bundle is `hpckit.node.client` or does the same: it hands
      the bundle to the runner at ``HPCKIT_RUNNER`` and holds that connection; closing it gives
      the bundle up.
    - What a loop that was killed has left ends by itself, or the next `start` ends it.
    """

    def start(self) -> dict[str, Any]:
        """Listen, and return what workers need to join: the ``engine`` part of the address.

        Nothing secret is in it; secrets lie in the run directory. It takes at most
        `hpckit.spec.engines.LONGEST_START_S`.

        Raises:
            EngineError: the engine is not installed or did not start.
        """

    def submit(self, bundle: Bundle) -> None:
        """Queue a bundle; the engine chooses the worker. It needs the surroundings' cores,
        memory and GPUs while it runs.

        Raises:
            EngineError: the engine itself has gone.
        """

    def cancel(self, bundle: str) -> None:
        """Forget a bundle, ending it where it runs. No event follows; unknown ids are ignored.

        Raises:
            EngineError: the engine itself has gone.
        """

    def poll(self, timeout_s: float) -> list[Returned | Lost]:
        """Return what has happened, waiting at most `timeout_s` (0.1 s at most is asked for).

        Every submitted bundle that was not cancelled comes back exactly once.

        Raises:
            EngineError: the engine itself has gone.
        """

    def stop(self) -> None:
        """End all that `start` started, by PID; idempotent."""
