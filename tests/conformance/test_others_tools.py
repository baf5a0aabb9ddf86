"""Programs that others wrote for Slurm run unmodified on the real Slurm and on the emulated one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.backends import BACKENDS, Cluster, missing_reason

HERE = Path(__file__).parent / "tools"
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tools_python() -> Path:
    """A virtual environment of their own, made once under .cache."""
    home = Path(os.environ.get("HPCKIT_TOOLS_VENV", CHECKOUT / ".cache" / "tools-venv"))
    python, marker = home / "bin" / "python", home / "made-from"
    wanted = (HERE / "requirements.txt").read_text()
    if not (marker.exists() and marker.read_text() == wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"submitit, dask-jobqueue and Parsl need PyPI: {done.stderr[-300:]}")
        marker.write_text(wanted)
    return python


@pytest.fixture(scope="module", params=list(BACKENDS))
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    backend: str = request.param
    if reason := missing_reason(backend):
        pytest.skip(reason)
    with BACKENDS[backend]("tools") as running:
        yield running


def run_tool(cluster: Cluster, python: Path, name: str, *words: str) -> dict[str, str]:
    """Run a script of `tools/` with Slurm's commands on PATH; its lines by their first word."""
    slurm = cluster.for_case(name)
    done = subprocess.run(
        [str(python), str(HERE / f"{name}.py"), *words],
        capture_output=True, text=True, timeout=280, check=False,
        cwd=slurm.directory,
        env=slurm.environment({"PATH": f"{python.parent}:{slurm.environment()['PATH']}"}),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_submitit_maps_an_array_reports_a_failure_and_cancels(
    cluster: Cluster, tools_python: Path
) -> None:
    said = run_tool(cluster, tools_python, "submitit_array")
    assert said["array"] == "[(1, '0'), (4, '1'), (9, '2'), (16, '3')]"
    assert said["failed"] == "True"
    assert said["cancelled"].startswith("CANCELLED")


def test_submitit_checkpoints_and_requeues_on_its_time_limit(
    cluster: Cluster, tools_python: Path
) -> None:
    done, runs = run_tool(cluster, tools_python, "submitit_requeue")["counted"].split()
    assert int(done) == 30
    assert int(runs) >= 2


def test_dask_jobqueue_brings_up_workers_and_computes(cluster: Cluster, tools_python: Path) -> None:
    said = run_tool(cluster, tools_python, "dask_cluster", cluster.login_address)
    assert said == {"sum": "40425", "hosts": "True"}


def test_parsl_runs_functions_on_a_block(cluster: Cluster, tools_python: Path) -> None:
    said = run_tool(cluster, tools_python, "parsl_block", cluster.login_address)
    assert said["squares"] == str([n * n for n in range(10)])
    assert said["jobs"] == "1"
