"""An allocation whose worker is killed: another worker starts in the same job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import journal_reader
from tests.chaos.cluster import ChaosCluster, emulated_cluster
from tests.support.slurm_site import await_true, processes_of

BAG = """
[task]
command = ["sh", "-c", "echo {number} >> ran; while [ ! -e go ]; do sleep 0.1; done"]
[each]
number = { range = "1-8" }
"""


@pytest.fixture(scope="module")
def emulated() -> Iterator[ChaosCluster]:
    with emulated_cluster() as cluster:
        yield cluster


@pytest.mark.timeout(300)
def test_a_run_on_one_node_goes_on_after_its_only_worker_is_killed(
    emulated: ChaosCluster,
) -> None:
    slurm_site, run_dir = emulated.slurm_site, emulated.runs / "alone"
    root: Path = slurm_site.directory("alone")
    (root / "bag.toml").write_text(BAG)
    words = ["--backend", "workqueue", "--shape", "allocation", "--nodes", "1"]
    asked = ["bag.toml", "--site", slurm_site.site, "--name", "alone", *words]
    slurm_site.hpckit("submit", *asked, cwd=root).expect(0)

    def has_started() -> bool:
        return (root / "ran").exists()

    await_true("a task runs", has_started, 120)
    (victim,) = processes_of(run_dir, "hpckit.worker")
    victim.kill()
    await_true(
        "another worker", lambda: len(journal_reader.events_of_kind(run_dir, "joined")) == 2, 60
    )
    (root / "go").touch()
    assert slurm_site.hpckit("wait", "alone").code == 0

    rows = journal_reader.final_rows(run_dir)
    assert {index: found[0][2] for index, found in rows.items()} == dict.fromkeys(range(8), "ok")
    first, second = slurm_site.status("alone")["workers"]
    assert first["end_reason"] == "KILLED"
    assert second["name"] == first["name"].replace("-", "k1-", 1)
    assert len(journal_reader.events_of_kind(run_dir, "opened")) == 1, "the head was not restarted"
    job = json.loads((run_dir / "jobs.jsonl").read_text())["job_id"]
    await_true(
        "the job ended", lambda: emulated.job_incarnations() == [(job, "COMPLETED", "0:0")], 60
    )
