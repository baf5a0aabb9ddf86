"""What is particular to each engine, in one table: add an engine's row here first.

Outside `hpckit.engines`, `hpckit.node` and `hpckit.bench`, whatever depends on the engine reads
this table. What else an engine needs is in docs/engines.md. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hpckit.spec.task import Backend, Shape

DOOR_KEY: Final = "door.key"  # every engine's workers knock with it
#: The longest that an engine's `start` takes, seconds: by then it listens, or has failed. Workers
#: that wait for a head hold it against this.
LONGEST_START_S: Final = 90.0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One engine.

    Attributes:
        title: its name in sentences.
        shape: the one it takes when none is asked for.
        joins: whether workers of other nodes join it; the pool works on the head's node alone.
        base_mib, slot_mib: memory of its worker beside the tasks: for itself, and for each
            task at a time (ran: a raylet about 290 MB with its agents, a Python per slot).
        secret: its file in the run's ``secrets/``, made by submit; ``""`` if it needs none.
        variables: how the names of its own environment variables begin, which no task sees;
            ``""`` if it has none.
    """

    title: str
    shape: Shape
    joins: bool
    base_mib: int
    slot_mib: int
    secret: str = ""
    variables: str = ""


#: In the order of preference: of those that are installed, the first is taken unasked.
ENGINES: Final[dict[Backend, Facts]] = {
    "workqueue": Facts(
        title="Work Queue",
        shape="array",
        joins=True,
        base_mib=150,
        slot_mib=50,
        secret="workqueue.password",
        variables="WORK_QUEUE_",
    ),
    "ray": Facts(
        title="Ray",
        shape="allocation",
        joins=True,
        base_mib=600,
        slot_mib=100,
        secret="ray.token",
        variables="RAY_",
    ),
    "pool": Facts(title="the pool", shape="allocation", joins=False, base_mib=100, slot_mib=50),
}

#: How the variables of all engines begin.
VARIABLES: Final = tuple(facts.variables for facts in ENGINES.values() if facts.variables)
