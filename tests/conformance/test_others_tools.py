"""Other people's programs for Slurm run unmodified on the real Slurm and on the emulated one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.backends import BACKENDS, Cluster, missing_reason

Output = dict[str, str]
OutputOf = Callable[[str, str], Output]
TOOLS = ("submitit_requeue", "submitit_array", "dask_cluster", "parsl_block")
HERE = Path(__file__).parent / "tools"
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tools_python() -> Path:
    """The Python of the tools' own virtual environment, created once under .cache."""
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


@pytest.fixture(scope="module")
def output_of(tools_python: Path) -> Iterator[OutputOf]:
    """Run all tools on both backends in parallel; yield a function that waits for one tool."""
    outputs: dict[tuple[str, str], Future[Output]] = {}
    with ExitStack() as stack:
        for backend in BACKENDS:
            if not missing_reason(backend):
                cluster = stack.enter_context(BACKENDS[backend]("tools"))
                pool = stack.enter_context(ThreadPoolExecutor(1))
                stack.callback(pool.shutdown, cancel_futures=True)
                for tool in TOOLS:
                    outputs[backend, tool] = pool.submit(run_tool, cluster, tools_python, tool)

        def wait(backend: str, tool: str) -> Output:
            if reason := missing_reason(backend):
                pytest.skip(reason)
            return outputs[backend, tool].result()

        yield wait


def run_tool(cluster: Cluster, python: Path, tool: str) -> Output:
    """Run a script of `tools/` with Slurm's commands on PATH; return its lines by first word."""
    slurm = cluster.for_case(tool)
    done = subprocess.run(
        [str(python), str(HERE / f"{tool}.py"), cluster.login_address],
        capture_output=True, text=True, timeout=280, check=False,
        cwd=slurm.directory,
        env=slurm.environment({"PATH": f"{python.parent}:{slurm.environment()['PATH']}"}),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


on_each_backend = pytest.mark.parametrize("backend", list(BACKENDS))


@on_each_backend
def test_submitit_checkpoints_and_requeues_on_its_time_limit(
    backend: str, output_of: OutputOf
) -> None:
    done, runs = output_of(backend, "submitit_requeue")["counted"].split()
    assert int(done) == 30
    assert int(runs) >= 2


@on_each_backend
def test_submitit_maps_an_array_reports_a_failure_and_cancels(
    backend: str, output_of: OutputOf
) -> None:
    output = output_of(backend, "submitit_array")
    assert output["array"] == "[(1, '0'), (4, '1'), (9, '2'), (16, '3')]"
    assert output["failed"] == "True"
    assert output["cancelled"].startswith("CANCELLED")


@on_each_backend
def test_dask_jobqueue_brings_up_workers_and_computes(backend: str, output_of: OutputOf) -> None:
    assert output_of(backend, "dask_cluster") == {"sum": "40425", "hosts": "True"}


@on_each_backend
def test_parsl_runs_functions_on_a_block(backend: str, output_of: OutputOf) -> None:
    output = output_of(backend, "parsl_block")
    assert output["squares"] == str([n * n for n in range(10)])
    assert output["jobs"] == "1"
