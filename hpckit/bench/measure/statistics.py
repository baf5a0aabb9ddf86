"""Medians with their confidence intervals, and the figures of a document's samples."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

CONFIDENCE: Final = 0.95
#: What is summed up of the samples; what was not measured somewhere is null there.
MEASURES: Final = (
    "makespan_s", "start_up_s", "work_s", "throughput_per_s", "overhead_per_task_ms", "ideal_s",
    "efficiency", "mean_task_s", "head_memory_mib", "worker_memory_mib", "bytes_moved", "reclaimed",
    "redone", "wasted_core_s", "capacity_used",
)  # fmt: skip
#: Samples that agree in these are repeats of one another.
GROUP_KEYS: Final = ("case", "size", "workers", "undisturbed")


def interquartile(values: Sequence[float]) -> float:
    """Return the distance between the quartiles, 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def interval_ranks(n: int) -> tuple[int, float]:
    """Return which value from both ends bounds the median of `n`, and with what confidence.

    The order statistics' interval: the median of all runs that could be lies below the least of
    n values with a chance of 2**-n, and so on by the binomial distribution; nothing is assumed of
    how they are spread. Below six values even the whole range falls short of 95 %: three have
    75 %. (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.)

    Returns:
        The rank from each end, 1 for the least and the greatest, and the confidence.
    """
    rank, outside = 1, 0.5**n
    while rank < n // 2:
        more = outside + math.comb(n, rank) * 0.5**n
        if 1 - 2 * more < CONFIDENCE:
            break
        rank, outside = rank + 1, more
    return rank, 1 - 2 * outside


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the confidence interval of the median; `interval_ranks` tells of what confidence."""
    rank, _ = interval_ranks(len(values))
    ordered = sorted(values)
    return ordered[rank - 1], ordered[-rank]


def summarize(values: Sequence[float]) -> dict[str, float]:
    """Return median, confidence interval (`low`, `high`) and interquartile range (`spread`)."""
    low, high = median_interval(values)
    found = {
        "median": statistics.median(values),
        "low": low,
        "high": high,
        "spread": interquartile(values),
    }
    return {key: round(value, 4) for key, value in found.items()}


def figures(samples: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the figures of the samples: by size and workers, hpckit first, undisturbed first.

    `confidence` is that of the intervals, which follows from the number of repeats, `n`.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for sample in samples:
        groups.setdefault(tuple(sample[key] for key in GROUP_KEYS), []).append(sample)
    found = []
    for key, group in groups.items():
        row: dict[str, Any] = {**dict(zip(GROUP_KEYS, key, strict=True)), "n": len(group)}
        row["confidence"] = round(interval_ranks(len(group))[1], 4)
        row |= {name: group[0][name] for name in ("engine", "hpckit", "tasks", "cpus", "slots")}
        row["task_s"] = group[0]["task_s"]
        for measure in MEASURES:
            values = [sample[measure] for sample in group if sample[measure] is not None]
            row[measure] = summarize(values) if values else None
        found.append(row)
    return sorted(found, key=_sort_key)


def _sort_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    case = (not row["hpckit"], row["case"], not row["undisturbed"])
    return (row["size"], row["workers"], *case)
