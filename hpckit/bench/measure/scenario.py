"""The three scenarios: each takes parameters and returns a document.

The makespan is compared: the time from the start of the user's command until the last result is
known (in hpckit's journal, or in the script without hpckit), for the same executable, arrays,
tolerance and slots. It contains `hpckit submit` or the start of the script's Python, but not the
start of the emulated cluster: on a real site, the cluster is already there.

The efficiency is relative to `slots`, the tasks that can really run at the same time. The nodes of
an emulated cluster share the CPUs of this machine: four workers of one core on a machine of two
CPUs have two slots, and only start-up and orchestration scale beyond that. Tasks that merely sleep
would scale further, but would say nothing about a bag of heavy ones.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, TypeVar

from hpckit.bench.measure import machine
from hpckit.bench.measure.cases import Run, ScenarioRequest, choose_runs
from hpckit.bench.measure.cluster import (
    BenchCluster,
    EmulatedConfig,
    emulated_cluster,
    is_slurm_reachable,
    real_cluster,
)
from hpckit.bench.measure.document import Measurements, make_document
from hpckit.bench.measure.parameters import PORTS, Parameters
from hpckit.bench.measure.sample import RunResult
from hpckit.bench.measure.workload import Workload, find_program, time_single_tasks
from hpckit.errors import EngineError
from hpckit.model.units import counted

T = TypeVar("T")
_SINGLE_TASKS: Final = 2  # measurements of a task by itself before each run of such tasks


def measure(request: ScenarioRequest) -> dict[str, Any]:
    """Run a scenario; return its document.

    Raises:
        InputError: the C++ task is not built, or a parameter cannot be used here.
        HpckitError: a run failed.
    """
    workloads = _workloads(request.parameters)
    with _provide_cluster(request) as cluster:
        request.progress(f"{request.parameters.scenario}: {_describe_cluster(cluster)}")
        runs, missing = choose_runs(request, cluster, workloads)
        for text in missing:
            request.progress(f"not measured, because not installed: {text}")
        measured = _measure(request, cluster, workloads, runs)
    return make_document(request.parameters, cluster, workloads, measured, missing)


def _workloads(parameters: Parameters) -> list[Workload]:
    program = find_program()
    return [
        Workload(
            program=program, size=size, tasks=parameters.tasks_of(size), seed=parameters.seed,
            tolerance=parameters.tolerance, records_starts=parameters.scenario == "spot",
        )
        for size in parameters.sizes
    ]  # fmt: skip


def _provide_cluster(request: ScenarioRequest) -> AbstractContextManager[BenchCluster]:
    parameters = request.parameters
    workers, cpus = max(parameters.workers), parameters.cpus
    ports = (parameters.port, parameters.port + PORTS - 1) if parameters.port else (0, 0)
    if parameters.scenario == "baseline":  # one more CPU, for the head
        return emulated_cluster(EmulatedConfig(nodes=1, cpus=workers * cpus + 1, ports=ports))
    if is_slurm_reachable():
        return real_cluster()
    config = EmulatedConfig(nodes=max(4, workers), cpus=max(2, cpus + 1), ports=ports)
    if parameters.scenario == "spot":
        config = replace(config, kill_wait_s=parameters.kill_wait_s)
    return emulated_cluster(config)


def _describe_cluster(cluster: BenchCluster) -> str:
    kind = "an emulated Slurm on this machine" if cluster.kind == "emulated" else "the real Slurm"
    nodes = counted(cluster.nodes, "node")
    return f"{kind}, {cluster.version}: {nodes} of {cluster.cpus_per_node} CPUs"


def _measure(
    request: ScenarioRequest,
    cluster: BenchCluster,
    workloads: Sequence[Workload],
    runs: Sequence[Run],
) -> Measurements:
    found = Measurements(busy=[machine.busy_cpus()])
    parameters = request.parameters
    for number, (repeat, run) in enumerate(shuffled(runs, parameters.repeats, parameters.seed)):
        if run.case.name in found.failed:
            continue
        _time_single_task(found, cluster, run.workload, number)
        name = f"{cluster.root.name}-{number}" if cluster.kind == "slurm" else f"b{number}"
        try:
            result = run.execute(name, repeat)
        except EngineError as error:
            if not run.is_optional:
                raise
            found.fail(run.case.name, f"{run.case.name} failed: {error.message}")
            request.progress(found.failed[run.case.name])
            continue
        found.runs.append((run, repeat, result))
        request.progress(_progress_line(run, repeat, result, spot=parameters.scenario == "spot"))
    for workload in workloads:
        _time_single_task(found, cluster, workload, -1)
    found.busy.append(machine.busy_cpus())
    return found


def _progress_line(run: Run, repeat: int, result: RunResult, *, spot: bool) -> str:
    """Return the line of progress about a run."""
    reclaimed = f", {result.losses.reclaimed} reclaimed"
    if run.case.undisturbed:
        reclaimed = ", undisturbed" if spot else ""
    return (
        f"{run.case.name} size {run.workload.size} workers {run.case.workers} repeat {repeat}: "
        f"{result.results_known_at - result.started_at:.1f} s{reclaimed}"
    )


def shuffled(cases: Sequence[T], repeats: int, seed: int) -> Iterator[tuple[int, T]]:
    """Yield the number of the repeat and the case: all cases in each repeat, in a new order.

    Thus a busy moment disturbs all cases alike, and no case always follows the same other one.
    """
    for repeat in range(repeats):
        order = list(cases)
        random.Random(f"{seed} {repeat}").shuffle(order)
        yield from ((repeat, case) for case in order)


def _time_single_task(
    found: Measurements, cluster: BenchCluster, workload: Workload, number: int
) -> None:
    """Measure a task by itself, between the runs, so that all see the machine in the same state."""
    directory = cluster.root / f"alone-{workload.size}-{number}"
    times = time_single_tasks(workload, directory, _SINGLE_TASKS)
    found.alone.setdefault(workload.size, []).extend(times)
    shutil.rmtree(directory, ignore_errors=True)
