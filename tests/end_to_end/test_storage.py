"""Bad storage: the run stops with a reason and exit code 3, and goes on once it is repaired."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import journal_reader
from tests.chaos.cluster import ChaosCluster, emulated_cluster
from tests.support.slurm_site import await_true

TASKS = 60
BAG = """
[task]
command = ["sh", "-c", "sleep 0.2; echo {number} > {out}"]
outputs = ["{out}"]
[each]
number = { range = "0-59" }
[let]
out = "out/{number}"
"""


@pytest.fixture(scope="module")
def small_disk_cluster() -> Iterator[ChaosCluster]:
    with emulated_cluster() as cluster:
        if not cluster.small_disk:
            pytest.skip("mounting a small tmpfs needs root: run this as root in a container")
        yield cluster


def remount(runs: Path, how: str) -> int:
    words = ["mount", "-o", f"remount,{how}", str(runs)]
    return subprocess.run(words, check=False, capture_output=True).returncode


def started(small_disk_cluster: ChaosCluster, name: str) -> tuple[Path, Path]:
    """Submit a bag; return its directory and its run directory once some tasks are done."""
    slurm_site = small_disk_cluster.slurm_site
    root = slurm_site.directory(name)
    (root / "bag.toml").write_text(BAG)
    words = ["--backend", "pool", "--site", slurm_site.site, "--name", name]
    slurm_site.hpckit("submit", "bag.toml", *words, cwd=root).expect(0)
    run_dir = small_disk_cluster.runs / name
    await_true("some tasks", lambda: journal_reader.ended_tasks(run_dir) >= 10, 120)
    return root, run_dir


def goes_on(small_disk_cluster: ChaosCluster, root: Path, run_dir: Path) -> None:
    """Resume a run; at its end every task and output is there once."""
    small_disk_cluster.slurm_site.hpckit("resume", run_dir.name, "--wait", cwd=root).expect(0)
    rows = journal_reader.final_rows(run_dir)
    assert {index: len(found) for index, found in rows.items()} == dict.fromkeys(range(TASKS), 1)
    assert {p.name for p in (root / "out").iterdir()} == {str(n) for n in range(TASKS)}


def test_a_full_disk_stops_a_run_with_3_and_it_goes_on_once_there_is_space(
    small_disk_cluster: ChaosCluster,
) -> None:
    root, run_dir = started(small_disk_cluster, "full")
    filler = small_disk_cluster.fill_disk()
    try:
        answer = small_disk_cluster.slurm_site.hpckit("wait", "full")
        status = small_disk_cluster.slurm_site.status("full")
    finally:
        filler.unlink(missing_ok=True)
    assert answer.code == 3, answer.stderr
    assert status["state"] == "stopped"
    assert "no space is left" in status["why"]
    goes_on(small_disk_cluster, root, run_dir)


def test_a_read_only_run_directory_is_reported_and_the_run_goes_on_once_it_is_writable(
    small_disk_cluster: ChaosCluster,
) -> None:
    root, run_dir = started(small_disk_cluster, "fixed")
    job = json.loads((run_dir / "jobs.jsonl").read_text())["job_id"]
    small_disk_cluster.slurm("scancel", job)
    try:  # a file system that somebody still writes to cannot be made read-only
        await_true("nobody writes", lambda: remount(small_disk_cluster.runs, "ro") == 0, 60)
        answer = small_disk_cluster.slurm_site.hpckit("resume", "fixed")
        status = small_disk_cluster.slurm_site.status("fixed")
    finally:
        remount(small_disk_cluster.runs, "rw")
    assert answer.code == 3, answer.stderr
    assert "Read-only file system" in answer.stderr
    assert "is read-only" in status["why"]
    goes_on(small_disk_cluster, root, run_dir)
