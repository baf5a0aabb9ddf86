"""The cases of each scenario, and how each is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hpckit.bench.measure import machine, preemptions, run_baseline, run_hpckit
from hpckit.bench.measure.cluster import Place
from hpckit.bench.measure.parameters import Parameters
from hpckit.bench.measure.sample import Case, Ran
from hpckit.bench.measure.workload import Load

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a scenario is asked for beyond its parameters.

    Attributes:
        parameters: checked.
        say: prints a line of progress.
        spot_partition, preempt_partition: on a real Slurm; "" looks for them.
    """

    parameters: Parameters
    say: Say
    spot_partition: str = ""
    preempt_partition: str = ""


@dataclass(frozen=True)
class Run:
    """One run to be done: a case, a size, and how to do it."""

    case: Case
    load: Load
    act: Callable[[str, int], Ran]  # given a name for it, and the repeat
    optional: bool = False  # somebody else's tool: that it fails is worth a note, no more
    note: str = ""  # what a reader of its figures should know


def choose_runs(asked: Asked, where: Place, loads: Sequence[Load]) -> tuple[list[Run], list[str]]:
    """Return what to run in each repeat, and what is not installed."""
    parameters = asked.parameters
    if parameters.scenario == "spot":
        return _spot_runs(asked, where, loads), []
    if parameters.scenario == "slurm":
        cases = _hpckit_cases(parameters, where)
        return [_hpckit_run(where, case, load) for load in loads for case in cases], []
    ways, missing = run_baseline.available(parameters.backends)
    runs: list[Run] = []
    for load in loads:
        runs += [_hpckit_run(where, case, load) for case in _hpckit_cases(parameters, where)]
        runs += [
            _plain_run(parameters, where, way, workers, load)
            for workers in parameters.workers for way in ways
        ]  # fmt: skip
    return runs, missing


def _case(
    parameters: Parameters, where: Place, workers: int, *, name: str, engine: str, hpckit: bool
) -> Case:
    return Case(
        name=name,
        engine=engine,
        hpckit=hpckit,
        workers=workers,
        cpus=parameters.cpus,
        slots=where.slots(workers, parameters.cpus, machine.cpu_count()),
    )


def _hpckit_cases(parameters: Parameters, where: Place) -> list[Case]:
    return [
        _case(parameters, where, workers, name=f"hpckit-{engine}", engine=engine, hpckit=True)
        for workers in parameters.workers for engine in parameters.backends
    ]  # fmt: skip


def _hpckit_run(where: Place, case: Case, load: Load) -> Run:
    def act(name: str, _repeat: int) -> Ran:
        return run_hpckit.run(run_hpckit.Through(place=where, name=name), case, load)

    return Run(case, load, act)


def _plain_run(
    parameters: Parameters, where: Place, way: run_baseline.Plain, workers: int, load: Load
) -> Run:
    case = _case(parameters, where, workers, name=way.case, engine=way.engine, hpckit=False)

    def act(name: str, _repeat: int) -> Ran:
        return run_baseline.run(way, case, load, where.root / name, parameters.port)

    return Run(case, load, act, optional=bool(way.get), note=way.note)


def _spot_runs(asked: Asked, where: Place, loads: Sequence[Load]) -> list[Run]:
    """Return each case undisturbed and reclaimed; both in the same partition."""
    if where.kind == "emulated":
        spot, preempt = asked.spot_partition or "spot", ""
    else:
        spot, preempt = preemptions.find_partitions(asked.spot_partition, asked.preempt_partition)
        asked.say(f"workers in partition {spot}, reclaimed by jobs of {preempt}")
    runs = []
    for load in loads:
        for case in _hpckit_cases(asked.parameters, where):
            for undisturbed in (True, False):
                own = replace(case, undisturbed=undisturbed)
                runs.append(_spot_run(asked.parameters, where, own, load, (spot, preempt)))
    return runs


def _spot_run(
    parameters: Parameters, where: Place, case: Case, load: Load, partitions: tuple[str, str]
) -> Run:
    spot, preempt = partitions
    between_s = parameters.life_s / case.workers

    def taking(seed: int) -> preemptions.Reclaims:
        if where.kind == "emulated":
            return preemptions.EmulatedReclaims(3600 / between_s, parameters.grace_s, seed, spot)
        return preemptions.SlurmReclaims(between_s, seed, preempt, where.root)

    def act(name: str, repeat: int) -> Ran:
        if case.undisturbed:
            how = run_hpckit.Through(place=where, name=name, partition=spot)
            return run_hpckit.run(how, case, load)
        how = run_hpckit.Through(
            place=where, name=name, partition=spot, reclaims=taking(parameters.seed + repeat)
        )
        return run_hpckit.run(how, case, load)

    return Run(case, load, act)
