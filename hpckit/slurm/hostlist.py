"""Expand Slurm's compressed lists of hosts and jobs: ``n[1-3,7]``, ``57_[0-3%2]``."""

from __future__ import annotations

import re

_LARGEST_INDEX = 4_000_001  # slurm.conf(5): MaxArraySize may not exceed it
_FOLDED = re.compile(r"^(\d+)_\[([\d,:-]+)(?:%\d+)?\]$")


def expand_hosts(hostlist: str) -> tuple[str, ...]:
    """Return the host names of a compressed list, sorted.

    The words that Slurm writes for no host, and a list that cannot be read, give an empty tuple.
    Source: https://slurm.schedmd.com/scontrol.html (``show hostnames``).
    """
    from ClusterShell.NodeSet import NodeSet, NodeSetException

    if hostlist in ("", "(null)", "None assigned", "N/A", "None"):
        return ()
    try:
        return tuple(str(name) for name in NodeSet(hostlist))
    except NodeSetException:
        return ()


def expand_job(job_id: str) -> tuple[str, ...]:
    """Return the elements of ``57_[0-3,8%2]``; any other id is returned as it is.

    An index list that squeue has shortened (``57_[0-3,...]``, if SLURM_BITSTR_LEN is small)
    cannot be expanded and comes back as it is.
    Source: https://slurm.schedmd.com/job_array.html (Squeue Command).
    """
    match = _FOLDED.match(job_id)
    if match is None:
        return (job_id,)
    indices: list[str] = []
    for part in match[2].split(","):
        bounds = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if bounds is None:
            return (job_id,)
        first, last, step = int(bounds[1]), int(bounds[2] or bounds[1]), int(bounds[3] or 1)
        if last > _LARGEST_INDEX:
            return (job_id,)
        indices += [str(i) for i in range(first, last + 1, max(1, step))]
    return tuple(f"{match[1]}_{index}" for index in indices)


def array_indices(count: int) -> str:
    """Return the ``--array`` value for `count` elements: ``0-3``, or ``0`` for one."""
    return f"0-{count - 1}" if count > 1 else "0"


def base_id(job_id: str) -> str:
    """Return the id of the job or array: ``57`` for ``57``, ``57_3`` and ``57_[0-3]``."""
    return job_id.partition("_")[0]
