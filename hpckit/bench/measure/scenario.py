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
import random
import shutil
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from hpckit.bench.measure import cluster, machine
from hpckit.bench.measure.cases import Asked, Run, choose_runs
from hpckit.bench.measure.document import Measured, make_document
from hpckit.bench.measure.parameters import PORTS, Parameters
from hpckit.bench.measure.sample import Ran
from hpckit.bench.measure.workload import Load, find_program, seconds_alone
from hpckit.errors import EngineError
from hpckit.model.units import counted

T = TypeVar("T")
_ALONE: Final = 2  # measurements of a task by itself before each run of such tasks


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
def _place(asked: Asked) -> Iterator[cluster.Place]:
    parameters = asked.parameters
    most, cpus = max(parameters.workers), parameters.cpus
    ports = (parameters.port, parameters.port + PORTS - 1) if parameters.port else (0, 0)
    if parameters.scenario == "baseline":  # and a CPU for the head
        with cluster.emulated(cluster.Shape(nodes=1, cpus=most * cpus + 1, ports=ports)) as found:
            yield found
    elif cluster.real_slurm():
        with cluster.real() as found:
            yield found
    else:
        spot = {"kill_wait_s": parameters.kill_wait_s} if parameters.scenario == "spot" else {}
        shape = cluster.Shape(nodes=max(4, most), cpus=max(2, cpus + 1), ports=ports, **spot)
        with cluster.emulated(shape) as found:
            yield found


def _where(where: cluster.Place) -> str:
    kind = "an emulated Slurm on this machine" if where.kind == "emulated" else "the real Slurm"
    nodes = counted(where.nodes, "node")
    return f"{kind}, {where.version}: {nodes} of {where.cpus_per_node} CPUs"


def _measure(
    asked: Asked, where: cluster.Place, loads: Sequence[Load], runs: Sequence[Run]
) -> Measured:
    found = Measured(busy=[machine.busy_cpus()])
    parameters = asked.parameters
    for number, (repeat, run) in enumerate(shuffled(runs, parameters.repeats, parameters.seed)):
        if run.case.name in found.failed:
            continue
        _time_alone(found, where, run.load, number)
        name = f"{where.root.name}-{number}" if where.kind == "slurm" else f"b{number}"
        try:
            ran = run.act(name, repeat)
        except EngineError as error:
            if not run.optional:
                raise
            found.fail(run.case.name, f"{run.case.name} failed: {error.message}")
            asked.say(found.failed[run.case.name])
            continue
        found.runs.append((run, repeat, ran))
        asked.say(_told(run, repeat, ran, spot=parameters.scenario == "spot"))
    for load in loads:
        _time_alone(found, where, load, -1)
    found.busy.append(machine.busy_cpus())
    return found


def _told(run: Run, repeat: int, ran: Ran, *, spot: bool) -> str:
    """Return the line of progress of a run."""
    reclaimed = f", {ran.losses.reclaimed} reclaimed"
    if run.case.undisturbed:
        reclaimed = ", undisturbed" if spot else ""
    return (
        f"{run.case.name} size {run.load.size} workers {run.case.workers} repeat {repeat}: "
        f"{ran.known - ran.began:.1f} s{reclaimed}"
    )


def shuffled(cases: Sequence[T], repeats: int, seed: int) -> Iterator[tuple[int, T]]:
    """Yield repeat and case: every case once, in another order each time.

    So a busy moment disturbs all cases alike, and none always follows the same other one.
    """
    for repeat in range(repeats):
        order = list(cases)
        random.Random(f"{seed} {repeat}").shuffle(order)
        yield from ((repeat, case) for case in order)


def _time_alone(found: Measured, where: cluster.Place, load: Load, number: int) -> None:
    """Measure a task by itself: between the runs, so that it sees the machine that they see."""
    directory = where.root / f"alone-{load.size}-{number}"
    times = seconds_alone(load, directory, _ALONE)
    found.alone.setdefault(load.size, []).extend(times)
    shutil.rmtree(directory, ignore_errors=True)
