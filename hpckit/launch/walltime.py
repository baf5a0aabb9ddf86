"""Choose how long the jobs may run, and when the head is warned. Pure; all times are seconds."""

from __future__ import annotations

from typing import Final

from hpckit.launch.partition import PartitionChoice
from hpckit.model.units import human_duration

DEFAULT_WALLTIME_S: Final = 3600
_WARNING_S: Final = 120  # enough to flush, hand back and be requeued


def choose_walltime(wish: int | None, choice: PartitionChoice, notes: list[str]) -> int:
    """Return the time limit of all jobs: whole minutes, as Slurm counts, and at least one.

    What is wished for, else an hour; cut to the partition's limit, which is rounded *down* to
    the minute, as a greater one would be refused.
    """
    walltime_s = -(-(wish or DEFAULT_WALLTIME_S) // 60) * 60
    limit = choice.limits.max_walltime_s
    if limit is None:
        return walltime_s
    most = max(60, limit // 60 * 60)
    if walltime_s > most and wish:
        notes.append(
            f"walltime: {human_duration(most)}, not {human_duration(walltime_s)}; "
            f"{choice.title} allows no more"
        )
    return min(walltime_s, most)


def warning_s(walltime_s: int) -> int:
    """Return how long before its end the head is warned: two minutes, of short jobs a quarter.

    Slurm may send the signal up to a minute sooner (sbatch(1), ``--signal``).
    """
    return max(1, min(_WARNING_S, walltime_s // 4))
