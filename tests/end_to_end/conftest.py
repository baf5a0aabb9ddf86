"""The emulated Slurm of this session, with directories of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.slurm_site import SlurmSite, clean_environment, remove_tree, user_environment


@contextmanager
def emulated_site() -> Iterator[SlurmSite]:
    """Yield a user of an emulated Slurm of their own; end its runs and remove it."""
    root = Path(tempfile.mkdtemp(prefix="hk-emulated-"))  # short: it holds Unix sockets
    env = user_environment(root, clean_environment())
    found = SlurmSite("local", root, {**env, "HPCKIT_EMULATOR_DIR": str(root / "emulator")})
    try:
        yield found
    finally:
        found.end_all_runs()
        found.hpckit("emulate", "down")
        remove_tree(root)


@pytest.fixture(scope="session")
def slurm_site() -> Iterator[SlurmSite]:
    with emulated_site() as found:
        yield found
