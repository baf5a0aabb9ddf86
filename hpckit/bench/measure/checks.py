"""Checks that samples may be compared: equal outputs, from equal bags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Sample = Mapping[str, Any]


def check(
    name: str, value: float, limit: float, *, passed: bool | None = None, hint: str = ""
) -> dict[str, Any]:
    """Return a check of the document; it passes up to the limit unless `passed` is given.

    `hint` says what to do when it does not.
    """
    return {
        "name": name, "value": value, "limit": limit,
        "pass": value <= limit if passed is None else passed, **({"hint": hint} if hint else {}),
    }  # fmt: skip


def unequal_outputs(samples: Iterable[Sample]) -> dict[int, list[str]]:
    """Return, by size, the cases whose outputs are not those of most samples.

    If no digest is more frequent than all others, all cases are named: none is known to be right.
    """
    found: dict[int, list[str]] = {}
    for size, group in by_size(samples).items():
        ranked = Counter(sample["digest"] for sample in group).most_common(2)
        if len(ranked) == 1:
            continue
        tie = ranked[0][1] == ranked[1][1]
        odd = [s["case"] for s in group if tie or s["digest"] != ranked[0][0]]
        found[size] = list(dict.fromkeys(odd))
    return found


def unequal_bags(samples: Iterable[Sample]) -> dict[int, list[str]]:
    """Return, by size, how the bags of samples that would be compared are not alike."""
    found: dict[int, list[str]] = {}
    for size, group in by_size(samples).items():
        differences = []
        for key in ("tasks", "tolerance", "cpus"):
            values = sorted({sample[key] for sample in group})
            if len(values) > 1:
                differences.append(f"{key}: {', '.join(map(str, values))}")
        slots: dict[int, set[int]] = {}
        for sample in group:
            slots.setdefault(sample["workers"], set()).add(sample["slots"])
        differences += [
            f"slots of {workers} workers: {', '.join(map(str, sorted(values)))}"
            for workers, values in slots.items() if len(values) > 1
        ]  # fmt: skip
        if differences:
            found[size] = differences
    return found


def by_size(samples: Iterable[Sample]) -> dict[int, list[Sample]]:
    """Return the samples by the size of their tasks."""
    found: dict[int, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample["size"], []).append(sample)
    return found


def check_correctness(samples: Sequence[Sample]) -> tuple[list[dict[str, Any]], set[int]]:
    """Return the checks of every scenario, and the sizes whose samples must not be compared."""
    outputs, bags = unequal_outputs(samples), unequal_bags(samples)
    checks = []
    for size in by_size(samples):
        odd = outputs.get(size, [])
        differing = f": not so {', '.join(odd)}" if odd else ""
        checks.append(
            check(f"size {size}: the outputs of all cases are the same{differing}", len(odd), 0)
        )
        differences = bags.get(size, [])
        listed = f": {'; '.join(differences)}" * bool(differences)
        checks.append(
            check(f"size {size}: all cases had the same bag{listed}", len(differences), 0)
        )
    lost = sum(sample["tasks_lost"] for sample in samples)
    checks.append(check("tasks lost", lost, 0))
    twice = sum(sample["recorded_twice"] for sample in samples)
    checks.append(check("tasks recorded twice", twice, 0))
    return checks, {*outputs, *bags}
