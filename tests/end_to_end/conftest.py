"""The emulated Slurm of this session: a cluster and directories of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.slurm_site import SlurmSite, clean_environment, removed, user_environment


@pytest.fixture(scope="session")
def slurm_site() -> Iterator[SlurmSite]:
    root = Path(tempfile.mkdtemp(prefix="hk-emulated-"))  # short: it holds Unix sockets
    env = user_environment(root, clean_environment())
    found = SlurmSite("local", root, {**env, "HPCKIT_EMULATOR_DIR": str(root / "emulator")})
    try:
        yield found
    finally:
        found.end_all_runs()
        found.hpckit("emulate", "down")
        removed(root)
