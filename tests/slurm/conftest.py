"""The real Slurm of this session, as a user meets it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.place import Place
from tests.support.realslurm import RealSlurm, breakable_slurm, place_on, real_slurm

__all__ = ["breakable_slurm", "place", "real_slurm"]


@pytest.fixture(scope="session")
def place(real_slurm: RealSlurm) -> Iterator[Place]:
    with place_on(real_slurm) as found:
        yield found
