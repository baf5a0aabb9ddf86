"""The real Slurm of this session, as a user meets it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.place import Place, removed, user_environment
from tests.support.realslurm import RealSlurm, breakable_slurm, real_slurm

__all__ = ["breakable_slurm", "place", "real_slurm"]


@pytest.fixture(scope="session")
def place(real_slurm: RealSlurm) -> Iterator[Place]:
    root = Path(tempfile.mkdtemp(prefix="journeys-", dir=real_slurm.shared_dir))
    env = {k: v for k, v in real_slurm.env.items() if not k.startswith("HPCKIT_")}
    env["PATH"] = f"{real_slurm.bin_dir}{os.pathsep}{env['PATH']}"
    found = Place("slurm", root, user_environment(root, env))
    try:
        yield found
    finally:
        found.end_all_runs()
        removed(root)
