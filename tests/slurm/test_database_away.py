"""The accounting database is down in the middle of a run on the real Slurm."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.journal_reader import ended_tasks, events_of_kind, final_rows
from tests.support.realslurm import RealSlurm, breakable_slurm, site_on  # noqa: F401
from tests.support.slurm_site import SlurmSite, await_true

pytestmark = pytest.mark.slurm

BAG = """
[task]
command = ["sh", "-c", "echo {number} >> ran; while [ ! -e go ]; do sleep 0.1; done"]
[each]
number = { range = "1-8" }
"""


@pytest.fixture
def slurm(breakable_slurm: RealSlurm) -> Iterator[RealSlurm]:  # noqa: F811
    yield breakable_slurm
    breakable_slurm.faults.mend()


@pytest.fixture
def breakable_site(slurm: RealSlurm) -> Iterator[SlurmSite]:
    with site_on(slurm) as found:
        try:
            yield found
        finally:
            slurm.faults.mend()


@pytest.mark.timeout(400)
def test_a_worker_s_end_is_reported_once_the_database_is_back_and_nothing_else_waits_for_it(
    slurm: RealSlurm, breakable_site: SlurmSite
) -> None:
    slurm_site, root = breakable_site, breakable_site.directory("bag")
    run_dir = Path(slurm_site.env["HPCKIT_RUNS"]) / "away"
    (root / "bag.toml").write_text(BAG)
    words = ["--backend", "workqueue", "--shape", "array", "--nodes", "2", "--max-workers", "2"]
    asked = ["bag.toml", "--site", slurm_site.site, "--name", "away", *words]
    slurm_site.hpckit("submit", *asked, cwd=root).expect(0)
    ran = root / "ran"
    await_true("tasks run", lambda: ran.exists() and len(ran.read_text().split()) >= 2, 120)
    await_true("both joined", lambda: len(events_of_kind(run_dir, "joined")) >= 2, 60)

    slurm.faults.stop_database()
    gone = events_of_kind(run_dir, "joined")[0]
    plain = {"PATH": "/usr/bin:/bin", "HOME": "/root"}
    subprocess.run([str(slurm.bin_dir / "scancel"), gone["job_id"]], env=plain, check=True)
    await_true("the worker is missed", lambda: events_of_kind(run_dir, "left"), 60)
    head = next(
        job["job_id"]
        for job in map(json.loads, (run_dir / "jobs.jsonl").read_text().splitlines())
        if job["role"] == "head"
    )
    log = run_dir / "logs" / f"head-{head}.log"
    await_true(
        "a question without an answer",
        lambda: "cannot ask how workers ended" in log.read_text(),
        60,
    )
    status = slurm_site.status("away")
    assert status["state"] == "running"
    assert (status["counts"]["done"], status["counts"]["failed"]) == (0, 0)
    assert not events_of_kind(run_dir, "explained")
    (root / "go").touch()
    done = lambda: ended_tasks(run_dir) == 8  # noqa: E731
    await_true("every task is done without the database", done, 120)

    slurm.faults.start_database()
    assert slurm_site.hpckit("wait", "away").code == 0
    rows = final_rows(run_dir)
    assert {index: [row[2] for row in found] for index, found in rows.items()} == {
        index: ["ok"] for index in range(8)
    }

    def reason() -> bool:
        workers = slurm_site.status("away")["workers"]
        said = {worker["name"]: worker["end_reason"] for worker in workers}
        return str(said[gone["worker"]]).startswith("CANCELLED")

    await_true("Slurm's word for it", reason, 90)
