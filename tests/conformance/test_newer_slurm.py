"""The cases marked ``since 24.11`` hold on the Slurm of Debian 13."""

from __future__ import annotations

import os
import sys

import pytest

from tests.slurm.cluster.prerequisites import missing_reason
from tests.support.trixie import Trixie, trixie  # noqa: F401

PYTEST = ("python3", "-m", "pytest", "-c", "/dev/null", "--rootdir=.", "-p", "no:cacheprovider")


@pytest.mark.trixie
@pytest.mark.timeout(600)
def test_the_cases_since_24_11_hold(trixie: Trixie) -> None:  # noqa: F811
    if reason := missing_reason():
        pytest.skip(reason)
    settings = [
        "HPCKIT_SLURM_PREFIX=/var/lib/hpckit-slurm-trixie",
        "HPCKIT_CONFORMANCE_SINCE=24.11",
        "PYTHONDONTWRITEBYTECODE=1",
    ]
    suite = ("tests/conformance/test_conformance.py", "-q")
    done = trixie.run(["env", *settings, *PYTEST, *suite], timeout_s=500)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
    assert not os.path.exists("/var/lib/hpckit-slurm-trixie")  # noqa: PTH110
