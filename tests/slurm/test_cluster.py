"""The real four-node Slurm: its nodes are separate, and its faults take effect."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.realslurm import RealSlurm, breakable_slurm  # noqa: F401

pytestmark = pytest.mark.slurm


@pytest.fixture
def slurm(breakable_slurm: RealSlurm) -> Iterator[RealSlurm]:  # noqa: F811
    yield breakable_slurm
    breakable_slurm.faults.mend()


def node(slurm: RealSlurm, number: int) -> str:
    return list(slurm.nodes)[number - 1]


def call(slurm: RealSlurm, *words: str, timeout_s: float = 60) -> str:
    """Run one of Slurm's commands by absolute path, without any environment."""
    done = subprocess.run(
        [str(slurm.bin_dir / words[0]), *words[1:]],
        capture_output=True, text=True, timeout=timeout_s, check=False,
        cwd=slurm.shared_dir, env={"PATH": "/usr/bin:/bin", "HOME": "/root"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def eventually(what: str, holds: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.2)


def submit(slurm: RealSlurm, *words: str) -> str:
    return call(slurm, "sbatch", "--parsable", "--output=/dev/null", *words)


def job_state(slurm: RealSlurm, job: str) -> str:
    return call(slurm, "squeue", "-h", "-t", "all", "-j", job, "-o", "%T")


def is_responding(slurm: RealSlurm, node: str) -> bool:
    return "*" not in call(slurm, "sinfo", "-h", "-p", "debug", "-n", node, "-o", "%t")


def test_every_node_has_its_own_name_address_and_process_table(slurm: RealSlurm) -> None:
    script = "echo $(hostname) $(getent hosts $(hostname) | cut -d' ' -f1) $(ps ax | wc -l)"
    lines = call(slurm, "srun", "-N4", "bash", "-c", script).splitlines()
    seen = {name: address for name, address, _ in map(str.split, lines)}
    assert seen == slurm.nodes
    assert all(int(line.split()[2]) < 40 for line in lines)


def test_the_nodes_share_a_directory_but_not_tmp(slurm: RealSlurm) -> None:
    shared = slurm.shared_dir / "seen-by-all"
    call(slurm, "srun", "-w", node(slurm, 1), "touch", str(shared), "/tmp/hpckit-only-here")
    listing = ["ls", str(shared), "/tmp"]
    try:
        assert "hpckit-only-here" not in call(slurm, "srun", "-w", node(slurm, 2), *listing)
    finally:
        shared.unlink()
    assert not Path("/tmp/hpckit-only-here").exists()


def test_a_killed_node_costs_its_job_which_is_requeued_elsewhere(slurm: RealSlurm) -> None:
    lost = node(slurm, 4)
    job = submit(slurm, "-w", lost, "--requeue", "--wrap", "sleep 300")
    eventually("the job to run", lambda: job_state(slurm, job) == "RUNNING", 20)
    slurm.faults.kill_node(lost)
    eventually("the job to leave", lambda: job_state(slurm, job) != "RUNNING", 60)

    def first_run() -> str:  # accounting hears of it after the controller
        return call(slurm, "sacct", "-D", "-X", "-n", "-P", "-o", "state", "-j", job).split()[0]

    eventually("its loss to be accounted", lambda: first_run() == "NODE_FAIL", 60)
    call(slurm, "scancel", job)


def test_a_cut_node_is_missed_and_comes_back(slurm: RealSlurm) -> None:
    cut = node(slurm, 3)
    slurm.faults.cut_network(cut)
    eventually("it to be missed", lambda: not is_responding(slurm, cut), 60)
    slurm.faults.restore_network(cut)
    eventually("it to be back", lambda: is_responding(slurm, cut), 60)


def test_jobs_survive_an_absent_controller(slurm: RealSlurm) -> None:
    done = slurm.shared_dir / "done-without-controller"
    done.unlink(missing_ok=True)
    job = submit(slurm, "--wrap", f"sleep 2; touch {done}")
    eventually("the job to run", lambda: job_state(slurm, job) == "RUNNING", 20)
    slurm.faults.stop_controller()
    eventually("its work", done.exists, 20)
    slurm.faults.start_controller()
    eventually("its end", lambda: job_state(slurm, job) == "COMPLETED", 90)
    done.unlink()


def test_accounting_catches_up_after_an_outage(slurm: RealSlurm) -> None:
    slurm.faults.stop_database()
    job = submit(slurm, "--wrap", "true")
    eventually("its end", lambda: job_state(slurm, job) == "COMPLETED", 30)
    slurm.faults.start_database()

    def accounted() -> bool:
        return call(slurm, "sacct", "-X", "-n", "-P", "-o", "state", "-j", job) == "COMPLETED"

    eventually("its record", accounted, 60)


def test_memory_beyond_the_request_ends_a_job(slurm: RealSlurm) -> None:
    if "task/cgroup" not in call(slurm, "scontrol", "show", "config"):
        pytest.skip("memory is not enforced here: needs cgroup v1 with memory and freezer")
    hog = "python3 -c 'x = bytearray(400 * 2**20)'"
    job = submit(slurm, "--mem=100", "--wrap", hog)
    eventually("its end", lambda: job_state(slurm, job) == "OUT_OF_MEMORY", 30)
