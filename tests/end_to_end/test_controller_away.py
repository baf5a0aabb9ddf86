"""The controller does not answer in the middle of a run: no worker is taken for lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpckit.emulator import control
from tests.chaos import journal_reader
from tests.chaos.cluster import ChaosCluster, emulated_cluster
from tests.chaos.run_under_test import first_word
from tests.support.slurm_site import await_true, processes_of

DOWN_S = 20.0
BAG = """
[task]
command = ["sh", "-c", "echo {number} >> ran; while [ ! -e go ]; do sleep 0.1; done"]
[each]
number = { range = "1-12" }
"""
TRIED = re.compile(r"cannot ask how workers ended, again in (\d+) s: ")


@pytest.fixture(scope="module")
def emulated() -> Iterator[ChaosCluster]:
    with emulated_cluster() as cluster:
        yield cluster


def pauses_told(run_dir: Path) -> list[int]:
    """Return the pauses in the head's log between its questions how workers ended."""
    return [int(pause) for pause in TRIED.findall((run_dir / "logs" / "head-1.log").read_text())]


@pytest.mark.timeout(300)
def test_no_task_is_marked_wrongly_and_the_head_asks_less_often_while_it_is_down(
    emulated: ChaosCluster,
) -> None:
    slurm_site, run_dir, root = (
        emulated.slurm_site,
        emulated.runs / "away",
        emulated.slurm_site.directory("away"),
    )
    (root / "bag.toml").write_text(BAG)
    words = ["--backend", "workqueue", "--shape", "array", "--nodes", "2", "--max-workers", "2"]
    asked = ["bag.toml", "--site", slurm_site.site, "--name", "away", *words]
    slurm_site.hpckit("submit", *asked, cwd=root).expect(0)
    ran = root / "ran"
    await_true("4 tasks run", lambda: ran.exists() and len(ran.read_text().split()) >= 4, 120)

    control.controller_down(DOWN_S, name=slurm_site.site)
    found = processes_of(run_dir, "hpckit.worker")
    next(process for process in found if first_word(process) != "srun").kill()
    await_true("the worker is missed", lambda: journal_reader.events_of_kind(run_dir, "left"), 30)
    await_true("three questions without an answer", lambda: len(pauses_told(run_dir)) >= 3, 40)
    status = slurm_site.status("away")
    assert status["state"] == "running"
    assert "the scheduler does not answer" in status["why"]
    assert (status["counts"]["done"], status["counts"]["failed"]) == (0, 0)
    assert not journal_reader.events_of_kind(run_dir, "explained")
    told = pauses_told(run_dir)
    assert told == sorted(told)
    assert told[0] < told[2]

    (explained,) = await_true(
        "Slurm's reason", lambda: journal_reader.events_of_kind(run_dir, "explained"), 90
    )
    assert explained["reason"] == "FAILED"
    assert "Slurm answers again" in (run_dir / "logs" / "head-1.log").read_text()
    (root / "go").touch()
    assert slurm_site.hpckit("wait", "away").code == 0
    rows = journal_reader.final_rows(run_dir)
    assert {index: [row[2] for row in found] for index, found in rows.items()} == {
        index: ["ok"] for index in range(12)
    }
