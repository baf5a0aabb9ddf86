"""What a cluster allows: array sizes and partitions."""

from __future__ import annotations

from dataclasses import dataclass

from hpckit.slurm.scontrol import show_config

#: Slurm's own default (slurm.conf(5), MaxArraySize); the greatest index is one less.
DEFAULT_MAX_ARRAY_SIZE = 1001


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one cluster.

    Attributes:
        max_array_size: indices of an array stop at one less.
        max_job_count: jobs that the controller holds at once, each array element counted.
        version: the controller's, such as ``22.05.8``.
    """

    max_array_size: int = DEFAULT_MAX_ARRAY_SIZE
    max_job_count: int = 10000
    version: str = ""


def read_limits(config: dict[str, str]) -> Limits:
    """Return the limits of a configuration (`show_config`); Slurm's defaults for what it lacks."""
    return Limits(
        max_array_size=_positive(config.get("MaxArraySize", ""), DEFAULT_MAX_ARRAY_SIZE),
        max_job_count=_positive(config.get("MaxJobCount", ""), 10000),
        version=config.get("SLURM_VERSION", ""),
    )


def limits(*, slurm_bin: str) -> Limits:
    """Ask the controller for its limits.

    Raises:
        SchedulerError: scontrol failed.
    """
    return read_limits(show_config(slurm_bin=slurm_bin))


def _positive(text: str, default: int) -> int:
    return int(text) if text.isdigit() and int(text) > 0 else default
