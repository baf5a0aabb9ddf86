"""The cases of each scenario, and how each is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hpckit.bench.measure import machine, preemptions, run_baseline, run_hpckit
from hpckit.bench.measure.cluster import BenchCluster
from hpckit.bench.measure.parameters import Parameters
from hpckit.bench.measure.sample import Case, RunResult
from hpckit.bench.measure.workload import Workload

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ScenarioRequest:
    """A scenario to measure: its parameters, and what only its command knows.

    Attributes:
        parameters: already checked.
        progress: prints a line of progress.
        spot_partition, preempt_partition: on a real Slurm; "" chooses them.
    """

    parameters: Parameters
    progress: Progress
    spot_partition: str = ""
    preempt_partition: str = ""


@dataclass(frozen=True)
class Run:
    """One run of a case.

    Attributes:
        case, workload: what to run.
        execute: runs it, given a name for the run and the number of the repeat.
        is_optional: True for a tool that is not ours: if it fails, the document only notes that.
        note: for readers of its figures.
    """

    case: Case
    workload: Workload
    execute: Callable[[str, int], RunResult]
    is_optional: bool = False
    note: str = ""


def choose_runs(
    request: ScenarioRequest, cluster: BenchCluster, workloads: Sequence[Workload]
) -> tuple[list[Run], list[str]]:
    """Return the runs of each repeat, and how to install the baselines that are missing."""
    parameters = request.parameters
    if parameters.scenario == "spot":
        return _spot_runs(request, cluster, workloads), []
    if parameters.scenario == "slurm":
        cases = _hpckit_cases(parameters, cluster)
        return [
            _hpckit_run(cluster, case, workload) for workload in workloads for case in cases
        ], []
    baselines, missing = run_baseline.available(parameters.backends)
    runs: list[Run] = []
    for workload in workloads:
        runs += [
            _hpckit_run(cluster, case, workload) for case in _hpckit_cases(parameters, cluster)
        ]
        runs += [
            _baseline_run(parameters, cluster, baseline, workers, workload)
            for workers in parameters.workers for baseline in baselines
        ]  # fmt: skip
    return runs, missing


def _case(
    parameters: Parameters,
    cluster: BenchCluster,
    workers: int,
    *,
    name: str,
    engine: str,
    hpckit: bool,
) -> Case:
    return Case(
        name=name,
        engine=engine,
        hpckit=hpckit,
        workers=workers,
        cpus=parameters.cpus,
        slots=cluster.slots(workers, parameters.cpus, machine.cpu_count()),
    )


def _hpckit_cases(parameters: Parameters, cluster: BenchCluster) -> list[Case]:
    return [
        _case(parameters, cluster, workers, name=f"hpckit-{engine}", engine=engine, hpckit=True)
        for workers in parameters.workers for engine in parameters.backends
    ]  # fmt: skip


def _hpckit_run(cluster: BenchCluster, case: Case, workload: Workload) -> Run:
    def execute(name: str, _repeat: int) -> RunResult:
        return run_hpckit.run(run_hpckit.RunRequest(cluster=cluster, name=name), case, workload)

    return Run(case, workload, execute)


def _baseline_run(
    parameters: Parameters,
    cluster: BenchCluster,
    baseline: run_baseline.Baseline,
    workers: int,
    workload: Workload,
) -> Run:
    case = _case(
        parameters, cluster, workers, name=baseline.case, engine=baseline.engine, hpckit=False
    )

    def execute(name: str, _repeat: int) -> RunResult:
        return run_baseline.run(baseline, case, workload, cluster.root / name, parameters.port)

    return Run(case, workload, execute, is_optional=bool(baseline.install_hint), note=baseline.note)


def _spot_runs(
    request: ScenarioRequest, cluster: BenchCluster, workloads: Sequence[Workload]
) -> list[Run]:
    """Return each case twice, undisturbed and with reclaims, in the same partition."""
    if cluster.kind == "emulated":
        spot, preempt = request.spot_partition or "spot", ""
    else:
        spot, preempt = preemptions.find_partitions(
            request.spot_partition, request.preempt_partition
        )
        request.progress(f"workers in partition {spot}, reclaimed by jobs of {preempt}")
    runs = []
    for workload in workloads:
        for case in _hpckit_cases(request.parameters, cluster):
            for undisturbed in (True, False):
                own = replace(case, undisturbed=undisturbed)
                runs.append(_spot_run(request.parameters, cluster, own, workload, (spot, preempt)))
    return runs


def _spot_run(
    parameters: Parameters,
    cluster: BenchCluster,
    case: Case,
    workload: Workload,
    partitions: tuple[str, str],
) -> Run:
    spot, preempt = partitions
    interval_s = parameters.life_s / case.workers

    def make_preempter(seed: int) -> preemptions.Preempter:
        if cluster.kind == "emulated":
            return preemptions.EmulatedPreempter(3600 / interval_s, parameters.grace_s, seed, spot)
        return preemptions.SlurmPreempter(interval_s, seed, preempt, cluster.root)

    def execute(name: str, repeat: int) -> RunResult:
        request = run_hpckit.RunRequest(
            cluster=cluster,
            name=name,
            partition=spot,
            preempter=None if case.undisturbed else make_preempter(parameters.seed + repeat),
        )
        return run_hpckit.run(request, case, workload)

    return Run(case, workload, execute)
