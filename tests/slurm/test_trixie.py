"""The Debian 13 root has what tests look for in it."""

from __future__ import annotations

import pytest

from tests.support.trixie import Trixie, trixie  # noqa: F401

pytestmark = pytest.mark.trixie


def test_work_queue_is_importable_as_ndcctools(trixie: Trixie) -> None:  # noqa: F811
    done = trixie.run(["python3", "-c", "import ndcctools.work_queue as w; print(w.WorkQueue)"])
    assert done.returncode == 0, done.stderr
    assert "WorkQueue" in done.stdout


def test_its_slurm_is_24_11(trixie: Trixie) -> None:  # noqa: F811
    assert "24.11" in trixie.run(["slurmctld", "-V"]).stdout


def test_a_command_sees_the_checkout_and_keeps_its_working_directory(
    trixie: Trixie,  # noqa: F811
) -> None:
    done = trixie.run(["python3", "-c", "import hpckit.errors, os; print(os.getcwd())"])
    assert done.returncode == 0, done.stderr
