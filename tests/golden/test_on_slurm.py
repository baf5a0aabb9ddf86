"""The scripts on an emulated and a real Slurm: `sbatch --test-only`, and whole jobs.

The jobs run a stand-in for Python that notes which signals it hears.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hpckit.emulator import control
from hpckit.launch.emulated_cluster import bring_up, emulated_bin
from hpckit.launch.render import render
from hpckit.model.plan import Plan
from hpckit.model.site_files import load_site
from hpckit.slurm.command import run_slurm
from hpckit.slurm.jobs import job_states, reachable
from hpckit.slurm.sbatch import sbatch, scancel
from hpckit.slurm.states import JobState
from tests.golden.cases import CASES, plan_of
from tests.support.realslurm import real_slurm  # noqa: F401

HOSTILE = 'it\'s 100% "grün" & $HOME'

#: Stands for the interpreter: notes what it is started as and which signals it hears.
STAND_IN = """#!/bin/bash
# -P -m MODULE RUN_DIR
shift
note() { echo "$1" >>"$2/heard"; }
case $2 in
hpckit.head)
    trap 'note "head USR2" "$3"' USR2
    trap 'note "head TERM" "$3"; term=yes' TERM
    trap 'note "head USR1" "$3"; dismissed=yes' USR1
    note "head" "$3"
    until [ -e "$3/stop" ] || [ "$term$dismissed" = yesyes ]; do sleep 0.1; done
    exit 1 ;;
hpckit.worker | hpckit.worker.recovery.supervisor)
    trap 'note "worker TERM" "$3"; exit 0' TERM
    note "worker" "$3"
    while :; do sleep 0.1; done ;;
esac
"""


@dataclass(frozen=True)
class Cluster:
    """A Slurm: where its commands are, what its nodes share, and whom it lets submit."""

    site: str
    slurm_bin: str
    shared: Path
    partition: str
    account: str


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An emulated cluster of its own."""
    root = tmp_path_factory.mktemp("emulated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCKIT_EMULATOR_DIR", str(root / "clusters"))
        site = load_site("local").site
        bring_up(site)
        try:
            yield Cluster("local", emulated_bin(site), root, "main", "hpckit")
        finally:
            control.down(site.name)


@pytest.fixture(params=["emulated", pytest.param("real", marks=pytest.mark.slurm)])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    if request.param == "emulated":
        found: Cluster = request.getfixturevalue("emulated")
        return found
    real = request.getfixturevalue("real_slurm")
    return Cluster("slurm", str(real.bin_dir), real.shared_dir, "debug", real.account)


@pytest.mark.parametrize(("site", "engine", "shape"), CASES)
def test_slurm_would_accept_every_script(
    site: str, engine: str, shape: str, tmp_path: Path, cluster: Cluster
) -> None:
    plan = plan_of(site, engine, shape, nodes=2, cores=2)
    # What the golden sites name is not here; all else counts as it stands.
    here = (
        f"--partition={cluster.partition}",
        f"--account={cluster.account}",
        "--qos=normal",
        "--constraint=",
    )
    for script in render(plan):
        path = tmp_path / f"{script.name}.sh"
        path.write_text(script.text)
        run_slurm("sbatch", ["--test-only", *here, str(path)], slurm_bin=cluster.slurm_bin)


def small_plan(run_dir: Path, engine: str, shape: str, cluster: Cluster) -> Plan:
    """A plan for two nodes, its run directory with a hostile name on what the nodes share."""
    python = run_dir.parent / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    (run_dir / "logs").mkdir(parents=True)
    plan = plan_of(
        cluster.site, engine, shape,
        account=cluster.account, nodes=2, cores=1, memory_mib=500, walltime_s=600,
        python=str(python), name=run_dir.name, cwd=str(run_dir),
        environ={"HPCKIT_RUNS": str(run_dir.parent)},
    )  # fmt: skip
    return replace(plan, slurm_bin=cluster.slurm_bin, setup=())


def submitted(plan: Plan, run_dir: Path) -> str:
    """Submit the first script as one would by hand: the head's, or the allocation's."""
    script = render(plan)[0]
    path = run_dir / f"{script.name}.sh"
    path.write_text(script.text)
    return sbatch(path, slurm_bin=plan.slurm_bin)


def warn_batch_shell(job_id: str, slurm_bin: str) -> None:
    run_slurm("scancel", ["--signal=USR2", "--batch", job_id], slurm_bin=slurm_bin)


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
def run_dir(cluster: Cluster) -> Iterator[Path]:
    root = cluster.shared / f"scripts-{time.time_ns()}"
    (root / HOSTILE).mkdir(parents=True)
    yield root / HOSTILE / "r"
    shutil.rmtree(root, ignore_errors=True)


def test_the_allocation_ends_with_the_heads_code_and_lets_workers_leave(
    run_dir: Path, cluster: Cluster
) -> None:
    plan = small_plan(run_dir, "ray", "allocation", cluster)
    job_id = submitted(plan, run_dir)
    try:
        heard = run_dir / "heard"
        up = ["head", "worker", "worker"]
        until(heard, up)
        warn_batch_shell(job_id, plan.slurm_bin)
        until(heard, [*up, "head USR2"])  # and no worker heard it
        (run_dir / "stop").touch()
        until(heard, [*up, "head USR2", "worker TERM", "worker TERM"])
        assert ended(job_id, plan.slurm_bin).exit_code == 1
        assert (run_dir / "logs" / f"allocation-{job_id}.log").exists()
    finally:
        scancel([job_id], slurm_bin=plan.slurm_bin)


def test_the_head_is_warned_and_its_code_is_the_jobs(run_dir: Path, cluster: Cluster) -> None:
    plan = small_plan(run_dir, "workqueue", "array", cluster)
    job_id = submitted(plan, run_dir)
    try:
        until(run_dir / "heard", ["head"])
        for times in (1, 2):
            warn_batch_shell(job_id, plan.slurm_bin)
            until(run_dir / "heard", ["head", *["head USR2"] * times])
        (run_dir / "stop").touch()
        assert ended(job_id, plan.slurm_bin).exit_code == 1
        assert (run_dir / "logs" / f"head-{job_id}.log").exists()
    finally:
        scancel([job_id], slurm_bin=plan.slurm_bin)


@pytest.mark.parametrize(("engine", "shape"), [("ray", "allocation"), ("workqueue", "array")])
def test_a_head_whose_job_is_cancelled_leaves_in_order(
    engine: str, shape: str, run_dir: Path, cluster: Cluster
) -> None:
    """A real srun that has heard of its job's end already forwards no signal any more: then the
    head does not hear USR1, and goes at the end of KillWait. So there it may need a second job."""
    plan = small_plan(run_dir, engine, shape, cluster)
    up = ["head", "worker", "worker"] if shape == "allocation" else ["head"]
    leaving = ["worker TERM", "worker TERM"] if shape == "allocation" else []
    heard = run_dir / "heard"
    for _ in range(3 if cluster.site == "slurm" else 1):
        job_id = submitted(plan, run_dir)
        try:
            until(heard, up)
        finally:
            scancel([job_id], slurm_bin=plan.slurm_bin)
        ended(job_id, plan.slurm_bin)
        words = sorted(heard.read_text().splitlines())
        heard.unlink()
        if words == sorted([*up, *leaving, "head TERM", "head USR1"]):
            return
        assert words == sorted([*up, *leaving, "head TERM"]), "of TERM all are told"
    pytest.fail("the head was never told that its job really ends")


def test_a_slurm_that_runs_is_reachable(cluster: Cluster) -> None:
    assert reachable(cluster.slurm_bin)
