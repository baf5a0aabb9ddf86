"""Fixtures for tests on the real four-node Slurm (tests/slurm/README.md).

Import them in a conftest.py:

    from tests.support.realslurm import real_slurm  # noqa: F401
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.slurm.cluster import lifecycle
from tests.slurm.cluster.claim import claimed, is_used, used
from tests.slurm.cluster.faults import Faults
from tests.slurm.cluster.layout import ACCOUNT, USER, Layout, default_layout
from tests.slurm.cluster.prerequisites import missing_reason
from tests.support.slurm_site import SlurmSite, remove_tree, user_environment


@dataclass(frozen=True)
class RealSlurm:
    """A running cluster.

    Attributes:
        bin_dir: sbatch, srun, squeue, scancel, sacct, scontrol, sinfo, … usable by absolute
            path: each sets SLURM_CONF and runs the real one.
        shared_dir: a directory that every node sees, outside /tmp.
        env: the environment in which those commands are on PATH.
        nodes: the node names, and the addresses at which they answer.
        user: the submitting user; `account` is the user's account in sacctmgr.
        faults: kills nodes, cuts links, stops daemons, and undoes all that.
    """

    bin_dir: Path
    shared_dir: Path
    env: dict[str, str]
    nodes: dict[str, str]
    user: str
    account: str
    faults: Faults


def find_real_slurm(layout: Layout | None = None) -> RealSlurm | None:
    """Return the test cluster if it is running, else None."""
    layout = layout or default_layout()
    if not lifecycle.status(layout).is_up:
        return None
    return RealSlurm(
        bin_dir=layout.bin_dir,
        shared_dir=layout.shared_dir,
        env=clean_environment() | lifecycle.environment(layout),
        nodes={node.name: node.address for node in layout.nodes},
        user=USER,
        account=ACCOUNT,
        faults=Faults(layout),
    )


def clean_environment() -> dict[str, str]:
    """Return this process's environment without the variables of an outer Slurm job."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SINFO_"))
    }


@pytest.fixture(scope="session")
def real_slurm() -> Iterator[RealSlurm]:
    """The running cluster, or one that is started for this session and ended after it."""
    with _cluster(default_layout()) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def breakable_slurm() -> Iterator[RealSlurm]:
    """A second cluster, which no other session uses, for tests that inject faults.

    Its nodes have other names and addresses. It is started for this session.
    """
    with (
        claimed(f"{default_layout().prefix}-breakable") as layout,
        _cluster(layout) as cluster,
    ):
        yield cluster


@contextlib.contextmanager
def _cluster(layout: Layout) -> Iterator[RealSlurm]:
    """Start the cluster if it does not run; the last session that uses it then ends it."""
    if reason := _cannot_use(layout):
        pytest.skip(reason)
    with contextlib.ExitStack() as leaving:
        leaving.callback(_end_if_last, layout)
        leaving.enter_context(used(layout))  # left before the callback looks
        was_kept = layout.slurm_conf.exists() and not _for_sessions(layout).exists()
        if not lifecycle.status(layout).is_up and lifecycle.up(layout) and not was_kept:
            _for_sessions(layout).touch()
        running = find_real_slurm(layout)
        assert running is not None, "the cluster ended as soon as it had started"
        yield running


def _end_if_last(layout: Layout) -> None:
    if _for_sessions(layout).exists() and not is_used(layout):
        lifecycle.down(layout)


def _cannot_use(layout: Layout) -> str:
    return "" if lifecycle.status(layout).is_up else missing_reason()


def _for_sessions(layout: Layout) -> Path:
    return layout.prefix / lifecycle.FOR_SESSIONS


@contextlib.contextmanager
def site_on(slurm: RealSlurm) -> Iterator[SlurmSite]:
    """Yield a user's directories on a real cluster; end the user's runs and remove them."""
    root = Path(tempfile.mkdtemp(prefix="journeys-", dir=slurm.shared_dir))
    env = {k: v for k, v in slurm.env.items() if not k.startswith("HPCKIT_")}
    env["PATH"] = f"{slurm.bin_dir}{os.pathsep}{env['PATH']}"
    found = SlurmSite("slurm", root, user_environment(root, env))
    try:
        yield found
    finally:
        found.end_all_runs()
        remove_tree(root)
