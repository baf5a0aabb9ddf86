"""The definition of an engine: its facts, what the head asks of it, and how its worker starts.

An engine carries bundles to workers and results back. Which workers there are, and which have
left, the head learns from its worker server (`hpckit.head.worker_server`), in the same way for
every engine.

Each engine is a folder beside this file: its ``__init__.py`` states the facts (`EngineInfo`),
``head.py`` has its `Engine`, and ``worker.py`` says how to start its worker. Standard library
only, because workers import this module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from hpckit.common.scratch_dir import ScratchDir
from hpckit.model.plan import Plan
from hpckit.model.task import Shape
from hpckit.model.worker import WorkerInfo
from hpckit.protocol.bundle import Bundle
from hpckit.protocol.result import BundleResult

#: The longest time that an engine's `start` takes, seconds: by then it listens, or has failed.
#: Workers that wait for a head compare with this.
LONGEST_START_S: Final = 90.0


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """State the facts about one engine that the rest of hpckit needs.

    Attributes:
        name: what ``--backend`` and the plan call it; also the name of its folder.
        title: its name in sentences.
        shape: the shape it takes when none is asked for.
        joins: True if workers of other nodes join it; the pool works on the head's node alone.
        base_mib, slot_mib: memory of its worker beside the tasks: for itself, and for each
            task at a time (ran: a raylet about 290 MB with its agents, a Python per slot).
        secret: its file in the run's ``secrets/``, made by submit; ``""`` if it needs none.
        variables: how the names of its own environment variables begin, which no task sees;
            ``""`` if it has none.
        head: ``MODULE:CLASS`` of its `Engine`, called with the `RunDir`, the `Plan`, and the
            head's own address (str).
        worker: ``MODULE:FUNCTION`` that takes a `WorkerStart` and returns a `Launch`; ``""`` if
            it has no worker of its own.
        found: ``MODULE:FUNCTION`` that returns True if it is installed; ``""``: it always is.
    """

    name: str
    title: str
    shape: Shape
    joins: bool
    base_mib: int
    slot_mib: int
    secret: str = ""
    variables: str = ""
    head: str
    worker: str = ""
    found: str = ""


@dataclass(frozen=True)
class Returned:
    """A runner returned the bundle, with all or only some of its tasks done."""

    result: BundleResult


@dataclass(frozen=True)
class Lost:
    """The engine gave the bundle up: its worker has left, or the engine failed it."""

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

    All methods are called from one thread. What every engine has to keep:

    - It tries nothing again by itself: a bundle that is given up comes back as `Lost` and does
      not run afterwards, because the head credits the spool first and decides then.
    - It reports bundles whose worker left before a runner began them; the head cannot know.
    - `submit` and `cancel` do not wait for the network: the worker server is polled in between.
    - On the node, what it runs for a bundle is `hpckit.protocol.runner_client` or does the same:
      it hands the bundle to the runner at ``HPCKIT_RUNNER`` and holds that connection; closing
      it gives the bundle up.
    - What a main loop that was killed has left ends by itself, or the next `start` ends it.
    """

    def start(self) -> dict[str, Any]:
        """Listen, and return what workers need to join: the ``engine`` part of the address.

        Nothing secret is in it; secrets lie in the run directory. It takes at most
        `LONGEST_START_S`.

        Raises:
            EngineError: the engine is not installed or did not start.
        """

    def submit(self, bundle: Bundle) -> None:
        """Queue a bundle; the engine chooses the worker. It needs the task settings' cores,
        memory and GPUs while it runs.

        Raises:
            EngineError: the engine itself has ended.
        """

    def cancel(self, bundle: str) -> None:
        """Forget a bundle, ending it where it runs. No event follows; unknown ids are ignored.

        Raises:
            EngineError: the engine itself has ended.
        """

    def poll(self, timeout_s: float) -> list[Returned | Lost]:
        """Return what has happened, waiting at most `timeout_s` (0.1 s at most is asked for).

        Every submitted bundle that was not cancelled comes back exactly once.

        Raises:
            EngineError: the engine itself has ended.
        """

    def stop(self) -> None:
        """End all that `start` started, by PID; idempotent."""


@dataclass(frozen=True, kw_only=True)
class WorkerStart:
    """The data from which an engine's worker is started on one node.

    Attributes:
        plan: the run's plan.
        worker: what the node offers.
        engine: what the head's `Engine.start` returned.
        host: the head's address that answered.
        local_address: this node's address on the connection to the head.
        scratch: a private directory on this node.
        runner: the runner's socket, which what runs a bundle must be told as ``HPCKIT_RUNNER``.
    """

    plan: Plan
    worker: WorkerInfo
    engine: dict[str, Any]
    host: str
    local_address: str
    scratch: ScratchDir
    runner: Path


@dataclass(frozen=True)
class Launch:
    """The command line that starts an engine's worker; of secrets it holds only paths."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)  # added to the worker's own
