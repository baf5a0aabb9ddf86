"""Tell if an emulated cluster was shut down, which ends its jobs.

A controller that does not answer may come back with all its jobs. So may an emulated controller
that was killed: the next command starts it again. A cluster that was shut down by
`hpckit emulate down` has a file ``down`` beside the directory of its commands.
"""

from __future__ import annotations

from pathlib import Path


def cluster_ended(slurm_bin: str) -> bool:
    """Return True if the emulated cluster with these commands was shut down or removed.

    It runs no command, because that would start the cluster.
    """
    state_dir = Path(slurm_bin).parent
    return (state_dir / "down").exists() or not state_dir.exists()
