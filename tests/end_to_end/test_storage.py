"""Bad storage: the run stops with a clear word and exit code 3, and goes on when that is mended."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import journal
from tests.chaos.cluster import ChaosPlace, emulated_place
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
def small_place() -> Iterator[ChaosPlace]:
    with emulated_place() as slurm_site:
        if not slurm_site.small_disk:
            pytest.skip("mounting a small tmpfs needs root: run this as root in a container")
        yield slurm_site


def remount(runs: Path, how: str) -> int:
    words = ["mount", "-o", f"remount,{how}", str(runs)]
    return subprocess.run(words, check=False, capture_output=True).returncode


def started(small_place: ChaosPlace, name: str) -> tuple[Path, Path]:
    """Submit a bag; return where it lies and its run directory, once some tasks are done."""
    slurm_site = small_place.slurm_site
    root = slurm_site.directory(name)
    (root / "bag.toml").write_text(BAG)
    words = ["--backend", "pool", "--site", slurm_site.site, "--name", name]
    slurm_site.hpckit("submit", "bag.toml", *words, cwd=root).expect(0)
    run_dir = small_place.runs / name
    await_true("some tasks", lambda: journal.ended_tasks(run_dir) >= 10, 120)
    return root, run_dir


def goes_on(small_place: ChaosPlace, root: Path, run_dir: Path) -> None:
    """Resume a run; everything is there once in the end."""
    small_place.slurm_site.hpckit("resume", run_dir.name, "--wait", cwd=root).expect(0)
    rows = journal.final_rows(run_dir)
    assert {index: len(found) for index, found in rows.items()} == dict.fromkeys(range(TASKS), 1)
    assert {p.name for p in (root / "out").iterdir()} == {str(n) for n in range(TASKS)}


def test_a_full_disk_stops_a_run_with_3_and_it_goes_on_when_there_is_room(
    small_place: ChaosPlace,
) -> None:
    root, run_dir = started(small_place, "full")
    ballast = small_place.fill_disk()
    try:
        answer = small_place.slurm_site.hpckit("wait", "full")
        status = small_place.slurm_site.status("full")
    finally:
        ballast.unlink(missing_ok=True)
    assert answer.code == 3, answer.stderr
    assert status["state"] == "stopped"
    assert "no space is left" in status["why"]
    goes_on(small_place, root, run_dir)


def test_a_read_only_run_directory_is_said_and_the_run_goes_on_when_it_is_writable(
    small_place: ChaosPlace,
) -> None:
    root, run_dir = started(small_place, "fixed")
    job = json.loads((run_dir / "jobs.jsonl").read_text())["job_id"]
    small_place.slurm("scancel", job)
    try:  # a file system that somebody still writes to cannot be made read-only
        await_true("nobody writes", lambda: remount(small_place.runs, "ro") == 0, 60)
        answer = small_place.slurm_site.hpckit("resume", "fixed")
        status = small_place.slurm_site.status("fixed")
    finally:
        remount(small_place.runs, "rw")
    assert answer.code == 3, answer.stderr
    assert "Read-only file system" in answer.stderr
    assert "is read-only" in status["why"]
    goes_on(small_place, root, run_dir)
