"""A live emulated cluster for tests, in a directory of its own, always ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpckit.emulator import control

FAST = control.ClusterConfig(
    kill_wait_s=1.0, requeue_delay_s=0.3, slurmd_timeout_s=0.2, nodes=4, cpus=2,
    partitions=(
        control.PartitionConfig(name="main", default=True, default_time_min=60),
        control.PartitionConfig(name="short", max_time_min=2, default_time_min=1),
        control.PartitionConfig(name="low", priority_tier=0, grace_s=1.0),
    ),
)  # fmt: skip
TIMEOUT_S = 20.0


class EmulatedCluster:
    """An emulated cluster, and its commands."""

    def __init__(self, cluster: control.Cluster, work: Path) -> None:
        self.cluster, self.work = cluster, work

    def run(self, command: str, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command of the cluster in the work directory."""
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [str(self.cluster.bin_dir / command), *words], cwd=self.work, text=True,
            capture_output=True, timeout=60, check=False, **options,
        )  # fmt: skip

    def ask(self, command: str, *words: str, **options: object) -> str:
        """Run a command that must succeed; return its output."""
        done = self.run(command, *words, **options)
        assert done.returncode == 0, f"{command} {words}: {done.returncode}\n{done.stderr}"
        return str(done.stdout)

    def submit(self, script: str, *words: str, **options: object) -> int:
        """Submit a bash script; return the job's id."""
        return int(self.ask("sbatch", "--parsable", *words, input=f"#!/bin/bash\n{script}\n",
                            **options))  # fmt: skip

    def state(self, job: int | str) -> str:
        """Return a job's state in accounting ('' while it has none)."""
        return self.ask("sacct", "-X", "-n", "-P", "-o", "State", "-j", str(job)).strip()

    def wait_state(self, job: int | str, *states: str) -> str:
        """Wait until a job is in one of the states (or in any final one)."""
        finals = states or ("COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED",
                            "OUT_OF_MEMORY", "CANCELLED")  # fmt: skip
        return until(lambda: next((s for s in [self.state(job)] if s.startswith(finals)), ""))

    def output(self, job: int | str) -> str:
        """Return what a job has written to its default output file."""
        file = self.work / f"slurm-{job}.out"
        return file.read_text() if file.exists() else ""

    def wait_text(self, path: Path | str, text: str) -> str:
        """Wait until a file holds a text."""
        file = self.work / path

        def read() -> str:
            found = file.read_text() if file.exists() else ""
            return found if text in found else ""

        return until(read)


def until(condition: Callable[[], str], timeout_s: float = TIMEOUT_S) -> str:
    """Return the condition's result once it is not empty."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s: {condition}")


def end_all(name: str) -> None:
    """End a cluster with `control.down`; if that fails, kill its daemon."""
    try:
        control.down(name)
    except Exception:
        found = control.find(name)
        if found is not None:
            pid = int((found.state_dir / "lock").read_text())
            os.kill(pid, signal.SIGKILL)
        raise


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control.Cluster]:
    base = tmp_path_factory.mktemp("emulator with space")
    patch = pytest.MonkeyPatch()
    patch.setenv("HPCKIT_EMULATOR_DIR", str(base))
    try:
        yield control.up(FAST, name="t")
    finally:
        end_all("t")
        patch.undo()


@pytest.fixture
def slurm(_shared: control.Cluster, tmp_path: Path) -> Iterator[EmulatedCluster]:
    """The cluster of this test session; afterwards all jobs are ended and all nodes up."""
    made = EmulatedCluster(_shared, tmp_path)
    yield made
    made.run("scancel", "--me")
    made.run("scancel", "--me", "--signal=KILL")
    until(lambda: "empty" if not made.ask("squeue", "-h") else "")
    for node in ("t-n1", "t-n2", "t-n3", "t-n4"):
        control.resume(node, name="t")


@pytest.fixture
def own_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedCluster]:
    """A cluster of this test alone, into which it may inject faults."""
    monkeypatch.setenv("HPCKIT_EMULATOR_DIR", str(tmp_path / "emulator"))
    work = tmp_path / "work"
    work.mkdir()
    try:
        yield EmulatedCluster(control.up(FAST, name="own"), work)
    finally:
        end_all("own")
