"""The head is killed twice; no task is lost, and tasks that the journal has do not run again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.slurm_site import SlurmSite, await_true, processes_of

__all__ = ["test_a_head_that_dies_costs_only_what_was_in_flight"]

TASKS = 240
SCRIPT = """#!/bin/sh
# Writes a line for each time it runs, works for 0.1 to 0.5 s, writes a checksum.
echo run >> "ran/$1"
sleep 0.$((1 + $1 % 5))
printf '%s' "$1" | sha256sum | cut -d' ' -f1 > "out/$1"
"""
BAG = """
[task]
command = ["./work.sh", "{number}"]
outputs = ["out/{number}"]
[each]
number = { range = "0-239" }
"""


@pytest.mark.parametrize(("backend", "shape"), [("workqueue", "array"), ("ray", "allocation")])
def test_a_head_that_dies_costs_only_what_was_in_flight(
    slurm_site: SlurmSite, backend: str, shape: str
) -> None:
    name = f"resume-{backend}"
    root = slurm_site.directory(name)
    (root / "work.sh").write_text(SCRIPT)
    (root / "work.sh").chmod(0o755)
    (root / "ran").mkdir()
    (root / "bag.toml").write_text(BAG)
    words = ["--backend", backend, "--site", slurm_site.site, "--shape", shape, "--name", name]
    slurm_site.hpckit("submit", "bag.toml", *words, cwd=root).expect(0)
    run_dir = Path(slurm_site.env["HPCKIT_RUNS"]) / name

    await_done(run_dir, TASKS // 4)
    for process in processes_of(run_dir, "hpckit.head.main_loop"):
        process.kill()
    before_first = journalled(run_dir)
    ran_first = runs_of(root, before_first)

    await_done(run_dir, 3 * TASKS // 4)
    kill_job(run_dir)
    before_second = journalled(run_dir)
    ran_second = runs_of(root, before_second)
    await_true("the run to stop", lambda: slurm_site.status(name)["state"] == "stopped", 90)

    slurm_site.hpckit("resume", name, "--wait", cwd=root).expect(0)
    status = slurm_site.status(name)
    assert status["counts"] == {"done": TASKS, "failed": 0, "running": 0, "waiting": 0}
    assert runs_of(root, before_first) == ran_first
    assert runs_of(root, before_second) == ran_second
    redone = sum(count - 1 for count in runs_of(root, set(range(TASKS))).values())
    slots = 8  # four workers of two cores, on either shape
    assert redone <= 2 * slots, f"{redone} tasks ran twice, but at most {slots} can be in flight"
    for number in range(TASKS):
        wanted = hashlib.sha256(str(number).encode()).hexdigest()
        assert (root / "out" / str(number)).read_text().strip() == wanted


def await_done(run_dir: Path, count: int) -> None:
    await_true(f"{count} tasks done", lambda: len(journalled(run_dir)) >= count, 120)


def journalled(run_dir: Path) -> set[int]:
    """Return the tasks that are done in the journal, without any code of hpckit."""
    done: set[int] = set()
    for file in sorted((run_dir / "journal").glob("*.jsonl")):
        for line in file.read_bytes().split(b"\n")[:-1]:
            event: dict[str, Any] = json.loads(line)
            done |= {row[0] for row in event.get("rows", ()) if row[2] == "ok"}
    return done


def runs_of(root: Path, numbers: set[int]) -> dict[int, int]:
    found = {}
    for number in numbers:
        log = root / "ran" / str(number)
        found[number] = len(log.read_text().splitlines()) if log.exists() else 0
    return found


def kill_job(run_dir: Path) -> None:
    """End the head's whole job without warning: its steps' processes and its batch script."""
    heads = processes_of(run_dir, "hpckit.head")
    assert heads, "no supervisor runs"
    targets: set[psutil.Process] = set()
    for head in heads:
        targets.add(head)
        targets.update(head.children(recursive=True))
        job = head.environ().get("SLURM_JOB_ID")
        targets.update(p for p in psutil.process_iter() if batch_of(p, run_dir, job))
    for process in targets:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def batch_of(process: psutil.Process, run_dir: Path, job: str | None) -> bool:
    """Return True if a process is the batch script or an srun of that job."""
    try:
        words, env = process.cmdline(), process.environ()
        same = env.get("SLURM_JOB_ID") == job
        # Other clusters on this machine have a job of the same id.
        same = same and (env.get("SLURM_JOB_NAME") == run_dir.name or str(run_dir) in words)
    except (psutil.Error, OSError):
        return False
    program = Path(words[0]).name if words else ""
    batch = program in ("bash", "sh") and any("slurm_script" in w or "/job" in w for w in words[1:])
    srun = program == "srun" or any(word.endswith("/srun") for word in words[:4])
    return same and (batch or srun or str(run_dir) in words)
