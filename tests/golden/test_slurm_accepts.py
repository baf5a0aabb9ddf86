"""Real Slurm reads every script: `sbatch --test-only`, and whole jobs with a stand-in Python."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hpckit.launch.render import render
from hpckit.slurm import sbatch as submission
from hpckit.slurm.jobs import job_states, reachable
from hpckit.slurm.sbatch import sbatch, scancel
from hpckit.slurm.states import JobState
from hpckit.spec.plan import Plan
from tests.golden.cases import CASES, plan_of
from tests.support.realslurm import RealSlurm, real_slurm  # noqa: F401

pytestmark = pytest.mark.slurm
HOSTILE = 'it\'s 100% "grün" & $HOME'

#: Stands for the interpreter: notes what it is started as and which signals it hears.
STAND_IN = """#!/bin/bash
# -m MODULE RUN_DIR
note() { echo "$1" >>"$2/heard"; }
case $2 in
hpckit.head)
    trap 'note "head USR2" "$3"' USR2
    trap 'note "head TERM" "$3"; term=yes' TERM
    trap 'note "head USR1" "$3"; dismissed=yes' USR1
    note "head" "$3"
    until [ -e "$3/stop" ] || [ "$term$dismissed" = yesyes ]; do sleep 0.1; done
    exit 1 ;;
hpckit.node.worker)
    trap 'note "worker TERM" "$3"; exit 0' TERM
    note "worker" "$3"
    while :; do sleep 0.1; done ;;
esac
"""


@pytest.mark.parametrize(("site", "engine", "shape"), CASES)
def test_slurm_would_accept_every_script(
    site: str,
    engine: str,
    shape: str,
    tmp_path: Path,
    real_slurm: RealSlurm,  # noqa: F811
) -> None:
    plan = plan_of(site, engine, shape, nodes=2, cores=2)
    # What the golden sites name is not here; all else counts as it stands.
    here = ("--partition=debug", f"--account={real_slurm.account}", "--qos=normal")
    for script in render(plan):
        path = tmp_path / f"{script.name}.sh"
        path.write_text(script.text)
        submission.test_only(
            path, slurm_bin=str(real_slurm.bin_dir), args=(*here, "--constraint=left")
        )


def small_plan(run_dir: Path, engine: str, shape: str, real_slurm: RealSlurm) -> Plan:  # noqa: F811
    """A plan for two nodes, its run directory with a hostile name on what the nodes share."""
    python = run_dir.parent / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    (run_dir / "logs").mkdir(parents=True)
    plan = plan_of(
        "slurm", engine, shape,
        account=real_slurm.account, nodes=2, cores=1, memory_mib=500, walltime_s=600,
        python=str(python), name=run_dir.name, cwd=str(run_dir),
        environ={"HPCKIT_RUNS": str(run_dir.parent)},
    )  # fmt: skip
    return replace(plan, slurm_bin=str(real_slurm.bin_dir), setup=())


def submitted(plan: Plan, run_dir: Path) -> str:
    """Submit the first script, as one would by hand, and wait until head and workers are up."""
    paths = []
    for script in render(plan):
        paths.append(run_dir / f"{script.name}.sh")
        paths[-1].write_text(script.text)
    return sbatch(paths[0], slurm_bin=plan.slurm_bin)


def until(seen: Path, words: list[str], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if seen.exists() and sorted(seen.read_text().splitlines()) == sorted(words):
            return
        time.sleep(0.2)
    raise AssertionError(f"{seen.read_text() if seen.exists() else 'nothing'} instead of {words}")


def ended(job_id: str, slurm_bin: str, seconds: float = 60.0) -> JobState:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = job_states([job_id], slurm_bin=slurm_bin)[job_id]
        if state.phase == "ended" and state.exit_code is not None:
            return state
        time.sleep(0.5)
    raise AssertionError(f"job {job_id} is {state}")


@pytest.fixture
def run_dir(real_slurm: RealSlurm) -> Iterator[Path]:  # noqa: F811
    root = real_slurm.shared_dir / f"scripts-{time.time_ns()}"
    (root / HOSTILE).mkdir(parents=True)
    yield root / HOSTILE / "r"
    shutil.rmtree(root, ignore_errors=True)


def test_the_allocation_ends_with_the_heads_code_and_lets_workers_leave(
    run_dir: Path,
    real_slurm: RealSlurm,  # noqa: F811
) -> None:
    plan = small_plan(run_dir, "ray", "allocation", real_slurm)
    job_id = submitted(plan, run_dir)
    try:
        heard = run_dir / "heard"
        up = ["head", "worker", "worker"]
        until(heard, up)
        scancel([job_id], slurm_bin=plan.slurm_bin, signal="USR2", batch=True)
        until(heard, [*up, "head USR2"])  # and no worker heard it
        (run_dir / "stop").touch()
        until(heard, [*up, "head USR2", "worker TERM", "worker TERM"])
        assert ended(job_id, plan.slurm_bin).exit_code == 1
        assert (run_dir / "logs" / f"allocation-{job_id}.log").exists()
    finally:
        scancel([job_id], slurm_bin=plan.slurm_bin)


def test_the_head_is_warned_and_its_code_is_the_jobs(
    run_dir: Path,
    real_slurm: RealSlurm,  # noqa: F811
) -> None:
    plan = small_plan(run_dir, "workqueue", "array", real_slurm)
    job_id = submitted(plan, run_dir)
    try:
        until(run_dir / "heard", ["head"])
        for times in (1, 2):
            scancel([job_id], slurm_bin=plan.slurm_bin, signal="USR2", batch=True)
            until(run_dir / "heard", ["head", *["head USR2"] * times])
        (run_dir / "stop").touch()
        assert ended(job_id, plan.slurm_bin).exit_code == 1
        assert (run_dir / "logs" / f"head-{job_id}.log").exists()
    finally:
        scancel([job_id], slurm_bin=plan.slurm_bin)


@pytest.mark.parametrize(("engine", "shape"), [("ray", "allocation"), ("workqueue", "array")])
def test_a_head_whose_job_is_cancelled_leaves_in_order(
    engine: str,
    shape: str,
    run_dir: Path,
    real_slurm: RealSlurm,  # noqa: F811
) -> None:
    plan = small_plan(run_dir, engine, shape, real_slurm)
    job_id = submitted(plan, run_dir)
    up = ["head", "worker", "worker"] if shape == "allocation" else ["head"]
    leaving = ["worker TERM", "worker TERM"] if shape == "allocation" else []
    try:
        until(run_dir / "heard", up)
    finally:
        scancel([job_id], slurm_bin=plan.slurm_bin)
    until(run_dir / "heard", [*up, *leaving, "head TERM", "head USR1"])


def test_a_slurm_that_runs_is_reachable(real_slurm: RealSlurm) -> None:  # noqa: F811
    assert reachable(str(real_slurm.bin_dir))
