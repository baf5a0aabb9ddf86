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
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from hpckit.bench import machine, place
from hpckit.bench.cases import Asked, Run, choose_runs
from hpckit.bench.document import Measured, make_document
from hpckit.bench.load import Load, find_program, seconds_alone
from hpckit.bench.parameters import PORTS, Parameters
from hpckit.errors import EngineError
from hpckit.spec.units import counted

T = TypeVar("T")
_ALONE: Final = 7  # measurements of a task by itself, before and after


def measure(asked: Asked) -> dict[str, Any]:
    """Run a scenario; return its document.

    Raises:
        InputError: the C++ task is not there, or a parameter cannot be used here.
        HpckitError: a run failed.
    """
    loads = _loads(asked.parameters)
    with _place(asked) as where:
        asked.say(f"{asked.parameters.scenario}: {_where(where)}")
        runs, missing = choose_runs(asked, where, loads)
        for text in missing:
            asked.say(f"not measured, for it is not installed: {text}")
        measured = _measure(asked, where, loads, runs)
    return make_document(asked.parameters, where, loads, measured, missing)


def _loads(parameters: Parameters) -> list[Load]:
    program = find_program()
    return [
        Load(
            program=program, size=size, tasks=parameters.tasks_of(size), seed=parameters.seed,
            tolerance=parameters.tolerance, witnessed=parameters.scenario == "spot",
        )
        for size in parameters.sizes
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
    nodes = counted(where.nodes, "node")
    return f"{kind}, {where.version}: {nodes} of {where.cpus_per_node} CPUs"


def _measure(
    asked: Asked, where: place.Place, loads: Sequence[Load], runs: Sequence[Run]
) -> Measured:
    found = Measured()
    _look_around(found, where, loads, found.before)
    parameters = asked.parameters
    for number, (repeat, run) in enumerate(interleaved(runs, parameters.repeats, parameters.seed)):
        if run.case.name in found.failed:
            continue
        name = f"{where.root.name}-{number}" if where.kind == "slurm" else f"b{number}"
        try:
            ran = run.act(name, repeat)
        except EngineError as error:
            if not run.optional:
                raise
            found.failed[run.case.name] = f"{run.case.name} failed: {error.message}"
            asked.say(found.failed[run.case.name])
            continue
        found.runs.append((run, repeat, ran))
        reclaimed = f", {ran.losses.reclaimed} reclaimed"
        if run.case.undisturbed:
            reclaimed = ", undisturbed" if parameters.scenario == "spot" else ""
        asked.say(
            f"{run.case.name} size {run.load.size} workers {run.case.workers} repeat {repeat}: "
            f"{ran.known - ran.began:.1f} s{reclaimed}"
        )
    _look_around(found, where, loads, found.after)
    return found


def interleaved(cases: Sequence[T], repeats: int, seed: int) -> Iterator[tuple[int, T]]:
    """Yield repeat and case: every case once, then again; each time another begins.

    So a busy moment disturbs all cases alike.
    """
    for repeat in range(repeats):
        first = (seed + repeat) % len(cases)
        for case in [*cases[first:], *cases[:first]]:
            yield repeat, case


def _look_around(
    found: Measured, where: place.Place, loads: Sequence[Load], times: dict[int, list[float]]
) -> None:
    """Measure how busy others are, and a task of each size by itself."""
    found.load_averages.append(machine.load_average())
    found.busy.append(machine.busy_cpus())
    for load in loads:
        directory = where.root / f"alone-{load.size}-{len(found.busy)}"
        times[load.size] = seconds_alone(load, directory, _ALONE)
