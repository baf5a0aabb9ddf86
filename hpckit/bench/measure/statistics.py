"""Medians with confidence intervals, and the figures of a document."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

CONFIDENCE: Final = 0.95
#: Measures that are summarized; one that no sample has is null.
MEASURES: Final = (
    "makespan_s", "start_up_s", "work_s", "throughput_per_s", "overhead_per_task_ms", "ideal_s",
    "efficiency", "mean_task_s", "head_memory_mib", "worker_memory_mib", "bytes_moved", "reclaimed",
    "redone", "wasted_core_s", "capacity_used",
)  # fmt: skip
#: Samples that are equal in these are repeats of each other.
GROUP_KEYS: Final = ("case", "size", "workers", "undisturbed")


def interquartile(values: Sequence[float]) -> float:
    """Return the distance between the quartiles; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def interval_ranks(n: int) -> tuple[int, float]:
    """Return the ranks that bound the median of `n` values, and the confidence.

    The interval of order statistics: the true median lies below the smallest of n values with
    probability 2**-n, and so on by the binomial distribution. Nothing is assumed about the
    distribution of the values. Below six values even the whole range does not reach 95 %: three
    have 75 %. (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.)

    Returns:
        The rank from each end (1: smallest and largest value), and the confidence.
    """
    rank, outside = 1, 0.5**n
    while rank < n // 2:
        more = outside + math.comb(n, rank) * 0.5**n
        if 1 - 2 * more < CONFIDENCE:
            break
        rank, outside = rank + 1, more
    return rank, 1 - 2 * outside


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the confidence interval of the median; `interval_ranks` has its confidence."""
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
    """Return the figures of samples, sorted by size, workers, hpckit first, undisturbed first.

    `confidence` of the intervals follows from the number of repeats, `n`.
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
