"""The three scenarios, each from its parameters to its document.

What is compared: the time from when the user's command starts until the last result is known to
whom the user asks (hpckit's journal; the script, without hpckit), on the same executable, arrays,
tolerance and slots. `hpckit submit` and the start of the script's Python are in it, the start of
the emulated cluster is not: a cluster is there already.

An efficiency is held against `slots`: the tasks that can really run at a time. The nodes of an
emulated cluster share the CPUs of this machine, so that four workers of one core on a machine of
two CPUs have two slots: what scales beyond is start-up and orchestration, not the work. Tasks that
merely wait would scale further, and say nothing about a bag of heavy ones.
"""

from __future__ import annotations

import contextlib
import datetime
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hpckit.bench import machine, place, reclaims, through, without
from hpckit.bench.checks import check, correctness
from hpckit.bench.load import Load, find_program, seconds_alone
from hpckit.bench.parameters import PORTS, Parameters, joins
from hpckit.bench.sample import Case, Ran, sample
from hpckit.bench.schedule import interleaved
from hpckit.bench.statistics import figures
from hpckit.errors import InputError

SCHEMA: Final = "hpckit.bench/1"
_ALONE: Final = 7  # measurements of a task by itself, before and after
_STRETCH: Final = 1.3  # of a task among others over one alone: from here on it is worth a word

Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """One run to be done: a case, a size, and how to do it."""

    case: Case
    load: Load
    act: Callable[[str, int], Ran]  # given a name for it, and the repeat


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


@dataclass
class Measured:
    """All that was measured."""

    runs: list[tuple[Run, int, Ran]] = field(default_factory=list)
    before: dict[int, list[float]] = field(default_factory=dict)
    after: dict[int, list[float]] = field(default_factory=dict)
    busy: list[float] = field(default_factory=list)
    load_averages: list[float] = field(default_factory=list)

    def task_s(self, size: int) -> float:
        """Return what a task of a size takes by itself."""
        return statistics.median([*self.before[size], *self.after[size]])


def measure(asked: Asked) -> dict[str, Any]:
    """Run a scenario; return its document.

    Raises:
        InputError: the C++ task is not there, or a parameter cannot be used here.
        HpckitError: a run failed.
    """
    loads = _loads(asked.parameters)
    with _place(asked) as where:
        asked.say(f"{asked.parameters.scenario}: {_where(where)}")
        runs, missing = _runs(asked, where, loads)
        for text in missing:
            asked.say(f"not measured, for it is not installed: {text}")
        measured = _measure(asked, where, loads, runs)
    return _document(asked.parameters, where, loads, measured, missing)


def _loads(parameters: Parameters) -> list[Load]:
    program = find_program()
    return [
        Load(
            program=program, size=size, tasks=tasks, tolerance=parameters.tolerance,
            seed=parameters.seed, witnessed=parameters.scenario == "spot",
        )
        for size, tasks in zip(parameters.sizes, parameters.tasks, strict=True)
    ]  # fmt: skip


@contextlib.contextmanager
def _place(asked: Asked) -> Iterator[place.Place]:
    parameters = asked.parameters
    most, cpus = max(parameters.workers), parameters.cpus
    ports = (parameters.port, parameters.port + PORTS - 1) if parameters.port else (0, 0)
    if parameters.scenario == "baseline":  # and a CPU for the head
        with place.emulated(place.Shape(nodes=1, cpus=most * cpus + 1, ports=ports)) as found:
            yield found
    elif place.real_slurm():
        with place.real() as found:
            yield found
    else:
        shape = place.Shape(nodes=max(4, most), cpus=max(2, cpus + 1), ports=ports)
        with place.emulated(shape) as found:
            yield found


def _where(where: place.Place) -> str:
    kind = "an emulated Slurm on this machine" if where.kind == "emulated" else "the real Slurm"
    return f"{kind}, {where.version}: {where.nodes} nodes of {where.cpus_per_node} CPUs"


def _runs(asked: Asked, where: place.Place, loads: Sequence[Load]) -> tuple[list[Run], list[str]]:
    """Return what to run in each repeat, and what is not installed."""
    parameters = asked.parameters
    if parameters.scenario == "spot":
        return _spot_runs(asked, where, loads), []
    if parameters.scenario == "slurm":
        cases = _hpckit_cases(parameters, where)
        return [_hpckit_run(where, case, load) for load in loads for case in cases], []
    ways, missing = without.available(parameters.backends)
    runs: list[Run] = []
    for load in loads:
        runs += [_hpckit_run(where, case, load) for case in _hpckit_cases(parameters, where)]
        runs += [
            _plain_run(where, way, _case(parameters, where, workers, way), load, parameters.port)
            for workers in parameters.workers for way in ways
        ]  # fmt: skip
    return runs, missing


def _case(
    parameters: Parameters, where: place.Place, workers: int, way: without.Plain | str
) -> Case:
    own = isinstance(way, str)
    return Case(
        name=f"hpckit-{way}" if isinstance(way, str) else way.case,
        engine=way if isinstance(way, str) else way.engine,
        hpckit=own,
        workers=workers,
        cpus=parameters.cpus,
        slots=where.slots(workers, parameters.cpus, machine.cpu_count()),
    )


def _hpckit_cases(parameters: Parameters, where: place.Place) -> list[Case]:
    if parameters.scenario != "baseline":
        alone = [name for name in parameters.backends if not joins(name)]
        if alone:
            raise InputError(f"{', '.join(alone)} works on one node: only `baseline` measures it")
    return [
        _case(parameters, where, workers, engine)
        for workers in parameters.workers for engine in parameters.backends
    ]  # fmt: skip


def _hpckit_run(where: place.Place, case: Case, load: Load) -> Run:
    def act(name: str, _repeat: int) -> Ran:
        return through.run(through.Through(place=where, name=name), case, load)

    return Run(case, load, act)


def _plain_run(where: place.Place, way: without.Plain, case: Case, load: Load, port: int) -> Run:
    def act(name: str, _repeat: int) -> Ran:
        return without.run(way, case, load, where.root / name, port)

    return Run(case, load, act)


def _spot_runs(asked: Asked, where: place.Place, loads: Sequence[Load]) -> list[Run]:
    """Return each case undisturbed and reclaimed; both in the same partition."""
    if where.kind == "emulated":
        spot, preempt = asked.spot_partition or "spot", ""
    else:
        spot, preempt = reclaims.find_partitions(asked.spot_partition, asked.preempt_partition)
        asked.say(f"workers in partition {spot}, reclaimed by jobs of {preempt}")
    runs = []
    for load in loads:
        for case in _hpckit_cases(asked.parameters, where):
            for undisturbed in (True, False):
                own = Case(**{**vars(case), "undisturbed": undisturbed})
                runs.append(_spot_run(asked.parameters, where, own, load, (spot, preempt)))
    return runs


def _spot_run(
    parameters: Parameters, where: place.Place, case: Case, load: Load, partitions: tuple[str, str]
) -> Run:
    spot, preempt = partitions
    between_s = parameters.life_s / case.workers

    def taking(seed: int) -> reclaims.Reclaims:
        if where.kind == "emulated":
            return reclaims.EmulatedReclaims(3600 / between_s, parameters.grace_s, seed, spot)
        return reclaims.SlurmReclaims(between_s, seed, preempt, where.root)

    def act(name: str, repeat: int) -> Ran:
        if case.undisturbed:
            how = through.Through(place=where, name=name, partition=spot)
            return through.run(how, case, load)
        taker = taking(parameters.seed + repeat)
        how = through.Through(place=where, name=name, partition=spot, watch=taker.look)
        try:
            return through.run(how, case, load)
        finally:
            taker.stop()

    return Run(case, load, act)


def _measure(
    asked: Asked, where: place.Place, loads: Sequence[Load], runs: Sequence[Run]
) -> Measured:
    found = Measured()
    _look_around(found, where, loads, found.before)
    parameters = asked.parameters
    for number, (repeat, run) in enumerate(interleaved(runs, parameters.repeats, parameters.seed)):
        name = f"{where.root.name}-{number}" if where.kind == "slurm" else f"b{number}"
        ran = run.act(name, repeat)
        found.runs.append((run, repeat, ran))
        reclaimed = "" if run.case.undisturbed else f", {ran.losses.reclaimed} reclaimed"
        asked.say(
            f"{run.case.name} size {run.load.size} workers {run.case.workers} repeat {repeat}: "
            f"{ran.known - ran.began:.1f} s{reclaimed}"
        )
    _look_around(found, where, loads, found.after)
    return found


def _look_around(
    found: Measured, where: place.Place, loads: Sequence[Load], times: dict[int, list[float]]
) -> None:
    """Measure how busy others are, and a task of each size by itself."""
    found.load_averages.append(machine.load_average())
    found.busy.append(machine.busy_cpus())
    for load in loads:
        directory = where.root / f"alone-{load.size}-{len(found.busy)}"
        times[load.size] = seconds_alone(load, directory, _ALONE)


def _document(
    parameters: Parameters,
    where: place.Place,
    loads: Sequence[Load],
    measured: Measured,
    missing: Sequence[str],
) -> dict[str, Any]:
    samples = [
        sample(run.case, run.load, ran, repeat=repeat, task_s=measured.task_s(run.load.size))
        for run, repeat, ran in measured.runs
    ]
    checks, incomparable = correctness(samples)
    if parameters.scenario == "spot":
        taken = sum(one["reclaimed"] for one in samples)
        checks.append(check("workers reclaimed, at least", taken, 1, passed=taken >= 1))
    words = machine.noise(measured.busy, measured.before, measured.after)
    busy, loads_seen = measured.busy, measured.load_averages
    return {
        "schema": SCHEMA,
        "scenario": parameters.scenario,
        "place": where.to_dict(),
        "when": datetime.datetime.fromtimestamp(time.time(), datetime.UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
        "machine": {
            **machine.describe(), "load_before": loads_seen[0], "load_after": loads_seen[1],
            "busy_before": round(busy[0], 2), "busy_after": round(busy[1], 2),
            "noisy": bool(words), "noise": words,
        },
        "versions": machine.versions(loads[0]),
        "parameters": parameters.to_dict(),
        "missing": list(missing),
        "notes": _notes(where, samples),
        "checks": checks,
        "samples": samples,
        "figures": figures(
            [one for one in samples if one["size"] not in incomparable], parameters.seed
        ),
        "timelines": _timelines(parameters.scenario, measured),
    }  # fmt: skip


def _notes(where: place.Place, samples: Sequence[dict[str, Any]]) -> list[str]:
    """Return what a reader of the figures should know."""
    notes = []
    shared = sorted(
        {one["workers"] for one in samples if one["slots"] < one["workers"] * one["cpus"]}
    )
    if shared:
        notes.append(
            f"the emulated nodes share {machine.cpu_count()} CPUs: the ideal with "
            f"{', '.join(map(str, shared))} workers is that of {machine.cpu_count()} slots"
        )
    ratios = [one["mean_task_s"] / one["task_s"] for one in samples if one["mean_task_s"]]
    if where.kind == "slurm" and ratios and statistics.median(ratios) > _STRETCH:
        notes.append(
            f"among others, a task took {statistics.median(ratios):.1f} times as long as alone on "
            "this machine: the nodes are slower, or share CPUs; the efficiency shows that too"
        )
    return notes


def _timelines(scenario: str, measured: Measured) -> list[dict[str, Any]]:
    """Return one run's timeline for each case: of the most workers, and the most reclaims."""
    if scenario == "baseline":
        return []
    best: dict[tuple[str, bool], tuple[Run, Ran]] = {}
    for run, _, ran in measured.runs:
        key = (run.case.name, run.case.undisturbed)
        rank = (run.case.workers, ran.losses.reclaimed)
        held = best.get(key)
        if held is None or rank > (held[0].case.workers, held[1].losses.reclaimed):
            best[key] = (run, ran)
    return [
        {"case": name, "undisturbed": undisturbed, "workers": list(ran.workers)}
        for (name, undisturbed), (_, ran) in best.items()
    ]
