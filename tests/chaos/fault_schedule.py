"""Which round breaks what: decided by the seed alone, so that a round can be played again."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Final

SHAPES: Final = (
    ("workqueue", "array"), ("ray", "allocation"), ("ray", "array"), ("workqueue", "allocation"),
)  # fmt: skip
EVERYWHERE: Final = (
    "kill-loop", "kill-supervisor", "kill-worker", "kill-engine", "term-worker", "term-loop",
    "requeue", "time-limit", "preemption", "node-kill", "controller-outage",
)  # fmt: skip
FAULTS: Final = 3  # of each round
TWICE: Final = frozenset({"network-cut"})  # so that few rounds on a real cluster show it often


@dataclass(frozen=True)
class Round:
    """One round, before it is played."""

    number: int
    seed: str
    backend: str
    shape: str
    tasks: int
    length: str  # of a task: 0.{length} seconds
    faults: tuple[str, ...]


def possible(slurm_site: str, shape: str, *, small_disk: bool) -> list[str]:
    """Return the faults that a round can have."""
    found = list(EVERYWHERE)
    if shape == "array":
        found.append("scancel-worker")
    if small_disk:
        found.append("disk-full")
    found.append("kill-daemon" if slurm_site == "emulated" else "network-cut")
    return found


def deal(slurm_site: str, seed: int, rounds: int, *, small_disk: bool) -> list[Round]:
    """Return rounds 1 to `rounds`; each prefers the faults that came least so far."""
    dealt: Counter[str] = Counter()
    found = []
    for number in range(1, rounds + 1):
        chance = random.Random(f"{slurm_site} {seed} {number}")
        backend, shape = SHAPES[(number - 1) % len(SHAPES)]
        kinds = possible(slurm_site, shape, small_disk=small_disk)
        kinds.sort(key=lambda kind: (dealt[kind] // (1 + (kind in TWICE)), chance.random()))
        faults = kinds[:FAULTS]
        chance.shuffle(faults)
        dealt.update(faults)
        length = f"{chance.randrange(5, 31):02}"
        tasks = chance.randrange(200, 401)
        found.append(
            Round(number, f"{seed}/{number}", backend, shape, tasks, length, tuple(faults))
        )
    return found
