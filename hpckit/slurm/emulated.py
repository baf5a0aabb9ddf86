"""Find out that an emulated cluster was ended, and its jobs with it.

A controller that does not answer may come back with all its jobs; so may an emulated one that
was killed: the next command starts it again. One that was ended (`hpckit emulate down`) has
left the file ``down`` beside the directory of its commands.
"""

from __future__ import annotations

from pathlib import Path


def cluster_ended(slurm_bin: str) -> bool:
    """Return True if the emulated cluster with these commands was ended or removed; start
    nothing."""
    state_dir = Path(slurm_bin).parent
    return (state_dir / "down").exists() or not state_dir.exists()
