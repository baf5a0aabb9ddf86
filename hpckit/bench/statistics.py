"""Medians with their confidence intervals, and the figures of a document's samples."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

RESAMPLES: Final = 2000
CONFIDENCE: Final = 0.95
#: What is summed up of the samples; what was not measured somewhere is null there.
MEASURES: Final = (
    "makespan_s", "start_up_s", "work_s", "throughput_per_s", "overhead_per_task_ms", "ideal_s",
    "efficiency", "head_memory_mib", "worker_memory_mib", "bytes_moved", "reclaimed", "redone",
    "wasted_core_s", "capacity_used",
)  # fmt: skip
#: Samples that agree in these are repeats of one another.
SAME: Final = ("case", "size", "workers", "undisturbed")


def interquartile(values: Sequence[float]) -> float:
    """Return the distance between the quartiles, 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def median_interval(values: Sequence[float], seed: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of the median, by the percentile bootstrap.

    With a handful of values it reaches from about the least to about the greatest.
    """
    generator = random.Random(seed)
    medians = sorted(
        statistics.median(generator.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    tail = (1 - CONFIDENCE) / 2
    return medians[int(tail * RESAMPLES)], medians[int((1 - tail) * RESAMPLES) - 1]


def summed_up(values: Sequence[float], seed: int) -> dict[str, float]:
    """Return median, confidence interval (`low`, `high`) and interquartile range (`spread`)."""
    low, high = median_interval(values, seed)
    found = {
        "median": statistics.median(values),
        "low": low,
        "high": high,
        "spread": interquartile(values),
    }
    return {key: round(value, 4) for key, value in found.items()}


def figures(samples: Iterable[Mapping[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Return the figures of the samples: by size and workers, hpckit first, undisturbed first."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for sample in samples:
        groups.setdefault(tuple(sample[key] for key in SAME), []).append(sample)
    found = []
    for key, group in groups.items():
        row: dict[str, Any] = {**dict(zip(SAME, key, strict=True)), "n": len(group)}
        row |= {name: group[0][name] for name in ("engine", "hpckit", "tasks", "cpus", "slots")}
        row["task_s"] = group[0]["task_s"]
        for measure in MEASURES:
            values = [sample[measure] for sample in group if sample[measure] is not None]
            row[measure] = summed_up(values, seed) if values else None
        found.append(row)
    return sorted(found, key=_place)


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    case = (not row["hpckit"], row["case"], not row["undisturbed"])
    return (row["size"], row["workers"], *case)
