"""What is particular to each engine, in one table: add an engine's row here first.

Everything that decides by engine outside `hpckit.engines` and `hpckit.node` reads this table.
Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hpckit.spec.task import Backend, Shape

DOOR_KEY: Final = "door.key"  # every engine's workers knock with it


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
    """

    title: str
    shape: Shape
    joins: bool
    base_mib: int
    slot_mib: int
    secret: str = ""


ENGINES: Final[dict[Backend, Facts]] = {
    "workqueue": Facts(
        title="Work Queue",
        shape="array",
        joins=True,
        base_mib=150,
        slot_mib=50,
        secret="workqueue.password",
    ),
    "ray": Facts(
        title="Ray",
        shape="allocation",
        joins=True,
        base_mib=600,
        slot_mib=100,
        secret="ray.token",
    ),
    "pool": Facts(title="the pool", shape="allocation", joins=False, base_mib=100, slot_mib=50),
}
