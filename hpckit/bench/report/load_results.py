"""The documents of the scenarios in `results/`, read back and checked against each other.

Their schema is `hpckit.bench/1`. A document that was measured with other parameters, on another
machine or with other versions is refused, because a table of unequal measurements misleads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

from hpckit.errors import InputError, StorageError
from hpckit.model.units import counted

SCHEMA: Final = "hpckit.bench/1"
#: Names of the documents, each `results/bench-NAME.json`, with the command that writes it.
COMMANDS: Final[Mapping[str, str]] = {
    "baseline": "hpckit bench baseline",
    "slurm": "hpckit bench slurm",
    "slurm-real": "hpckit bench slurm",
    "spot": "hpckit bench spot",
    "spot-real": "hpckit bench spot",
}
#: The cases in the order of tables and pictures.
CASES: Final = (
    "hpckit-workqueue",
    "plain-workqueue",
    "hpckit-ray",
    "plain-ray",
    "hpckit-pool",
    "parallel",
    "hyperqueue",
)
_EQUAL_ALWAYS: Final = ("tolerance",)
#: What emulated and real runs of the same scenario must have in common, too. The time from SIGTERM
#: to SIGKILL may differ, for on a real Slurm the site sets it.
_EQUAL_IN_SCENARIO: Final = (
    "seed", "tasks", "tasks_by_size", "size", "workers", "cpus", "backends", "life_s", "grace_s",
)  # fmt: skip
_EQUAL_MACHINE: Final = ("cpus", "memory_mib", "model")
#: Keys of a figure that are not measures.
_FIGURE_KEYS: Final = (
    "case",
    "engine",
    "hpckit",
    "size",
    "workers",
    "undisturbed",
    "n",
    "confidence",
)


class ClusterInfo(msgspec.Struct, frozen=True):
    """The cluster of the tasks. `kind` is emulated or slurm."""

    kind: str
    version: str | None = None
    nodes: int | None = None
    cpus_per_node: int | None = None


class Machine(msgspec.Struct, frozen=True):
    """The computer that measured; `noise` has a sentence for each disturbance."""

    cpus: int
    memory_mib: float | None = None
    model: str = ""
    noisy: bool = False
    noise: list[str] = []


class Check(msgspec.Struct, frozen=True):
    """One condition that must hold."""

    name: str
    value: Any
    limit: Any = None
    passed: bool = msgspec.field(name="pass", default=True)


class Sample(msgspec.Struct, frozen=True):
    """The part of a sample that is needed here; times are in seconds.

    `slots` are the tasks that can really run at the same time: fewer than workers times cpus if
    the nodes share CPUs.
    """

    case: str
    engine: str
    size: int
    tasks: int
    workers: int
    task_s: float
    slots: int
    cpus: int = 1
    undisturbed: bool = True
    tasks_lost: int = 0
    recorded_twice: int = 0


class WorkerLine(msgspec.Struct, frozen=True):
    """One worker: its time, its last state, and its tasks as (start_s, duration_s, kind)."""

    name: str
    start_s: float
    end_s: float
    state: str = ""
    tasks: list[tuple[float, float, str]] = []


class Timeline(msgspec.Struct, frozen=True):
    """The workers of one run."""

    case: str
    undisturbed: bool
    workers: list[WorkerLine]


class _Body(msgspec.Struct, frozen=True):
    scenario: str
    when: str
    machine: Machine
    place: ClusterInfo | None = None
    versions: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    checks: list[Check] = []
    samples: list[Sample] = []
    figures: list[dict[str, Any]] = []
    timelines: list[Timeline] = []


@dataclass(frozen=True)
class Interval:
    """A median, its confidence interval and the interquartile range, in one unit."""

    median: float
    low: float
    high: float
    spread: float = 0.0

    def overlaps(self, other: Interval) -> bool:
        """Return True if both have a value in common, so that the medians may be equal."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The repeats of equal case, size, workers and undisturbed.

    Attributes:
        case: its name; `engine` is the engine, and `hpckit` is True if hpckit runs it.
        size: of the tasks.
        workers: number of workers.
        undisturbed: True if no worker was reclaimed.
        n: number of repeats.
        confidence: of the intervals in `measures`, from 0 to 1.
        measures: by their names in the document.
    """

    case: str
    engine: str
    hpckit: bool
    size: int
    workers: int
    undisturbed: bool
    n: int
    confidence: float
    measures: Mapping[str, Interval]

    def median(self, measure: str) -> float | None:
        """Return the median of a measure, or None if it was not measured."""
        found = self.measures.get(measure)
        return found.median if found else None


@dataclass(frozen=True)
class BenchResult:
    """One document, with its name in `COMMANDS`."""

    name: str
    path: Path
    digest: str
    raw: Mapping[str, Any]
    body: _Body
    figures: tuple[Figure, ...]

    def task_s(self, size: int) -> float | None:
        """Return how long one task of that size takes by itself, in seconds."""
        times = [sample.task_s for sample in self.body.samples if sample.size == size]
        return median(times) if times else None

    def tasks(self, size: int) -> int | None:
        """Return how many tasks of that size a run had."""
        return next((s.tasks for s in self.body.samples if s.size == size), None)

    def slots(self, workers: int) -> int | None:
        """Return how many tasks run at the same time on so many workers."""
        found = {s.slots for s in self.body.samples if s.workers == workers}
        return max(found) if found else None

    def cpus(self, workers: int) -> int:
        """Return how many cores each of so many workers has."""
        return max((s.cpus for s in self.body.samples if s.workers == workers), default=1)

    def engine(self, case: str) -> str:
        """Return the engine of a case: ``ray`` for ``hpckit-ray`` and ``plain-ray``."""
        return next((s.engine for s in self.body.samples if s.case == case), case)

    def is_oversubscribed(self, workers: int) -> bool:
        """Return True if so many workers have more cores together than slots."""
        return any(
            sample.workers == workers and sample.slots < workers * sample.cpus
            for sample in self.body.samples
        )

    def fair_workers(self, figures: Iterable[Figure] | None = None) -> int:
        """Return the largest number of workers that is not oversubscribed, else the smallest."""
        numbers = {figure.workers for figure in (figures or self.figures)}
        return max((n for n in numbers if not self.is_oversubscribed(n)), default=min(numbers))

    def total(self, figure: Figure, loss: str) -> int:
        """Return the sum of `tasks_lost` or `recorded_twice` over the runs of a figure."""
        group = (figure.case, figure.size, figure.workers, figure.undisturbed)
        return sum(
            getattr(sample, loss)
            for sample in self.body.samples
            if (sample.case, sample.size, sample.workers, sample.undisturbed) == group
        )

    def cases(self) -> list[str]:
        """Return the cases that were measured, in the order of `CASES`."""
        return sort_cases(figure.case for figure in self.figures)

    @property
    def measured_on(self) -> str:
        """Cluster and machine: ``"emulated Slurm 22.05, 4 nodes of 2 CPUs, on a machine of…"``."""
        machine = f"a machine of {counted(self.body.machine.cpus, 'CPU')}"
        cluster = self.body.place
        if cluster is None:
            return machine
        on = "on" if cluster.kind == "emulated" else "asked from"
        return f"{describe_slurm(cluster, self.body.machine.cpus)}, {on} {machine}"


def describe_slurm(cluster: ClusterInfo, cpus: int) -> str:
    """Return kind, version and nodes of a Slurm.

    Args:
        cluster: that Slurm.
        cpus: of the machine that measures. An emulated node has one more than its workers use.
    """
    kind = {"emulated": "emulated Slurm", "slurm": "Slurm"}.get(cluster.kind, cluster.kind)
    words = f"{kind} {cluster.version or ''}".rstrip()
    if not cluster.nodes or not cluster.cpus_per_node:
        return words
    words += f", {counted(cluster.nodes, 'node')} of {counted(cluster.cpus_per_node, 'CPU')}"
    if cluster.kind == "emulated" and cluster.nodes == 1 and cluster.cpus_per_node > cpus:
        words += " (one of them for the head, emulated)"
    return words


def sort_cases(cases: Iterable[str]) -> list[str]:
    """Return cases without repeats: the known ones in the order of `CASES`, then others."""
    found = set(cases)
    return [case for case in CASES if case in found] + sorted(found - set(CASES))


def load_all(results: Path) -> list[BenchResult]:
    """Return all documents in a directory; refuse those that cannot be compared.

    Raises:
        InputError: a document has another schema, or the measurements are not comparable.
        StorageError: a file cannot be read.
    """
    found = [bench for name in COMMANDS if (bench := load_result(results, name))]
    for bench in found:
        refuse_mixed(bench)
    for one, other in combinations(found, 2):
        refuse_unequal(one, other)
    return found


def load_result(results: Path, name: str) -> BenchResult | None:
    """Return the document of that name, or None if there is none.

    Raises:
        InputError: it is not JSON, or has another schema.
        StorageError: it cannot be read.
    """
    path = results / f"bench-{name}.json"
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    hint = f"Run again: {COMMANDS[name]}"
    try:
        raw = msgspec.json.decode(text)
        schema = raw.get("schema") if isinstance(raw, dict) else None
        if schema != SCHEMA:
            raise InputError(f"{path} has schema {schema!r}, but needs {SCHEMA!r}", hint=hint)
        body = msgspec.convert(raw, _Body)
        figures = tuple(_figure(item) for item in body.figures)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a whole {SCHEMA} document: {error}", hint=hint) from error
    return BenchResult(name, path, hashlib.sha256(text).hexdigest()[:12], raw, body, figures)


def _figure(item: Mapping[str, Any]) -> Figure:
    """Return a figure without the measures that are null or have a null median."""
    measures = {
        name: Interval(**{key: float(value[key]) for key in ("median", "low", "high", "spread")})
        for name, value in item.items()
        if isinstance(value, dict) and value.get("median") is not None
    }
    return Figure(**{key: item[key] for key in _FIGURE_KEYS}, measures=measures)


def refuse_mixed(bench: BenchResult) -> None:
    """Refuse a document whose cases had different numbers of tasks of the same size.

    Raises:
        InputError: they had.
    """
    first: dict[tuple[int, bool], Sample] = {}
    for sample in bench.body.samples:
        other = first.setdefault((sample.size, sample.undisturbed), sample)
        if other.tasks != sample.tasks:
            raise InputError(
                f"{bench.path} cannot be compared: of size {sample.size}, {other.case} was "
                f"given {other.tasks} tasks and {sample.case} {sample.tasks}",
                hint=f"Run again: {COMMANDS[bench.name]}",
            )


def refuse_unequal(one: BenchResult, other: BenchResult) -> None:
    """Refuse two documents that are not comparable; name the first difference.

    Scenarios may differ in seed, tasks, sizes, workers, engines and repeats, because each row of a
    table has its own. The emulated and the real run of one scenario may not.

    Raises:
        InputError: they are not comparable.
    """
    same = one.body.scenario == other.body.scenario
    keys = _EQUAL_ALWAYS + (_EQUAL_IN_SCENARIO if same else ())
    pairs = [
        *_pairs("", one.body.parameters, other.body.parameters, keys),
        *_pairs("machine ", _machine(one), _machine(other), _EQUAL_MACHINE),
        *_pairs("version of ", one.body.versions, other.body.versions, tuple(one.body.versions)),
    ]
    for what, here, there in pairs:
        if here is not None and there is not None and here != there:
            older = min(one, other, key=lambda bench: bench.body.when)
            raise InputError(
                f"{one.path} and {other.path} cannot be compared: "
                f"{what} is {here!r} in the first and {there!r} in the second",
                hint=f"Run the older one again, as the other: {COMMANDS[older.name]}",
            )


def _machine(bench: BenchResult) -> Mapping[str, Any]:
    return msgspec.structs.asdict(bench.body.machine)


def _pairs(
    label: str, one: Mapping[str, Any], other: Mapping[str, Any], keys: Iterable[str]
) -> list[tuple[str, Any, Any]]:
    return [(f"{label}{key}", one.get(key), other.get(key)) for key in keys]


def list_missing(found: Iterable[BenchResult]) -> dict[str, str]:
    """Return the documents that are missing, with the command that writes each."""
    names = {bench.name for bench in found}
    words = {
        name: command + (" (where a real Slurm can be reached)" if "-real" in name else "")
        for name, command in COMMANDS.items()
    }
    return {name: how for name, how in words.items() if name not in names}
