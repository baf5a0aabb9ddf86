"""The real Slurm of this session, as a user meets it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.realslurm import RealSlurm, breakable_slurm, real_slurm, site_on
from tests.support.slurm_site import SlurmSite

__all__ = ["breakable_slurm", "real_slurm", "slurm_site"]


@pytest.fixture(scope="session")
def slurm_site(real_slurm: RealSlurm) -> Iterator[SlurmSite]:
    with site_on(real_slurm) as found:
        yield found
