"""The faults of each round: the seed alone decides, so that a round can be repeated."""

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
FAULTS_PER_ROUND: Final = 3
#: Chosen twice as often, so that few rounds on a real cluster are enough to see it.
PREFERRED_TWICE: Final = frozenset({"network-cut"})


@dataclass(frozen=True)
class Round:
    """One round, before it is run."""

    number: int
    seed: str
    backend: str
    shape: str
    tasks: int
    length: str  # of a task: 0.{length} seconds
    faults: tuple[str, ...]


def possible_faults(cluster_kind: str, shape: str, *, small_disk: bool) -> list[str]:
    """Return the faults that are possible in a round."""
    found = list(EVERYWHERE)
    if shape == "array":
        found.append("scancel-worker")
    if small_disk:
        found.append("disk-full")
    found.append("kill-daemon" if cluster_kind == "emulated" else "network-cut")
    return found


def schedule_rounds(cluster_kind: str, seed: int, rounds: int, *, small_disk: bool) -> list[Round]:
    """Return rounds 1 to `rounds`; each prefers the faults that were least frequent so far."""
    counts: Counter[str] = Counter()
    found = []
    for number in range(1, rounds + 1):
        rng = random.Random(f"{cluster_kind} {seed} {number}")
        backend, shape = SHAPES[(number - 1) % len(SHAPES)]
        kinds = possible_faults(cluster_kind, shape, small_disk=small_disk)
        kinds.sort(key=lambda kind: (counts[kind] // (1 + (kind in PREFERRED_TWICE)), rng.random()))
        faults = kinds[:FAULTS_PER_ROUND]
        rng.shuffle(faults)
        counts.update(faults)
        length = f"{rng.randrange(5, 31):02}"
        tasks = rng.randrange(200, 401)
        found.append(
            Round(number, f"{seed}/{number}", backend, shape, tasks, length, tuple(faults))
        )
    return found
