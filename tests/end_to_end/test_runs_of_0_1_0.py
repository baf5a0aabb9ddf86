"""Runs of hpckit 0.1.0 can be read and resumed with today's hpckit.

`runs_of_0_1_0` holds two run directories of commit 8f86b17: one that finished with four failed
tasks, and one whose head was killed after twelve of forty tasks, with a stale address. In their
files, ``@RUN_DIR@`` and the like stand for the paths of the original machine. Their secrets are
created here.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import emulated_site
from tests.support.slurm_site import REPOSITORY, SlurmSite

KEPT = Path(__file__).with_name("runs_of_0_1_0")


@pytest.fixture(scope="module")
def slurm_site() -> Iterator[SlurmSite]:
    """Yield a Slurm where the numbers of the kept runs' jobs are those of jobs that have ended.

    A new job gets none of these numbers, as it is on the Slurm of a run.
    """
    with emulated_site() as found:
        found.hpckit("emulate", "up").expect(0)
        sbatch = Path(found.env["HPCKIT_EMULATOR_DIR"]) / "local" / "bin" / "sbatch"
        for _ in range(8):
            subprocess.run([sbatch, "--wait", "--output=/dev/null", "--wrap=true"], check=True)
        yield found


def restore(slurm_site: SlurmSite, name: str) -> Path:
    """Return a copy of a kept run directory among the runs of this session."""
    run_dir = Path(slurm_site.env["HPCKIT_RUNS"]) / f"kept-{name}"
    if run_dir.exists():
        return run_dir
    cwd = slurm_site.directory(f"cwd-{name}")
    slurm_site.hpckit("emulate", "up").expect(0)
    paths = {
        "@RUN_DIR@": str(run_dir),
        "@SLURM_BIN@": str(Path(slurm_site.env["HPCKIT_EMULATOR_DIR"]) / "local" / "bin"),
        "@CWD@": str(cwd),
        "@PYTHON@": sys.executable,
        "@BIN@": str(Path(sys.executable).parent),
        "@CHECKOUT@": str(REPOSITORY),
    }
    shutil.copytree(KEPT / name, run_dir)
    for path in run_dir.rglob("*"):
        if path.is_file():
            text = path.read_text()
            for word, value in paths.items():
                text = text.replace(word, value)
            path.write_text(text)
    run_dir.chmod(0o700)
    (run_dir / "secrets").mkdir(mode=0o700)
    for secret in ("door.key", "workqueue.password"):
        path = run_dir / "secrets" / secret
        path.write_text(secrets.token_hex(32))
        path.chmod(0o600)
    return run_dir


def returned(journal: Path) -> set[int]:
    """Return the tasks that were returned to one head, from its journal."""
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    return {row[0] for event in events if event["e"] == "returned" for row in event["rows"]}


def test_a_finished_run_has_its_status_results_and_failures(slurm_site: SlurmSite) -> None:
    restore(slurm_site, "finished")
    status = slurm_site.status("kept-finished")
    assert (status["state"], status["counts"]["done"], status["counts"]["failed"]) == (
        "failed", 36, 4,
    )  # fmt: skip
    results = slurm_site.hpckit("results", "kept-finished", "--json").expect(0).document
    assert [row["task"] for row in results["rows"]] == list(range(36))
    assert results["rows"][5]["number"] == 5
    failures = (
        slurm_site.hpckit("failures", "kept-finished", "--json").expect(0).document["failures"]
    )
    assert [(row["index"], row["kind"], row["exit_code"]) for row in failures] == [
        (index, "error", 3) for index in range(36, 40)
    ]
    log = slurm_site.hpckit("logs", "kept-finished", "--task", "36").expect(0).stdout
    assert log == "running 36 on café % {{x}}\n"


def test_failed_tasks_of_a_finished_run_are_run_again(slurm_site: SlurmSite) -> None:
    restore(slurm_site, "finished")
    slurm_site.hpckit("resume", "kept-finished", "--failed", "--wait").expect(1)
    counts = slurm_site.status("kept-finished")["counts"]
    assert counts == {"done": 36, "failed": 4, "running": 0, "waiting": 0}


def test_an_unfinished_run_goes_on_with_what_is_not_done(slurm_site: SlurmSite) -> None:
    run_dir = restore(slurm_site, "unfinished")
    before = slurm_site.status("kept-unfinished")
    assert before["counts"]["done"] == 12
    assert slurm_site.hpckit("explain", "kept-unfinished").code == 0
    slurm_site.hpckit("resume", "kept-unfinished", "--wait").expect(1)  # four tasks end with exit 3
    counts = slurm_site.status("kept-unfinished")["counts"]
    assert counts == {"done": 36, "failed": 4, "running": 0, "waiting": 0}
    done, rerun = (returned(run_dir / "journal" / f"000{number}.jsonl") for number in (1, 2))
    assert len(done) == 12 and not done & rerun


@pytest.mark.parametrize("name", ["finished", "unfinished"])
def test_the_list_shows_a_kept_run(slurm_site: SlurmSite, name: str) -> None:
    restore(slurm_site, name)
    runs = slurm_site.hpckit("list", "--json").expect(0).document["runs"]
    assert f"kept-{name}" in {run["run"] for run in runs}
