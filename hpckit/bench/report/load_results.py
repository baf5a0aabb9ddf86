"""What the scenarios left in `results/`, read back and held against each other.

The form is `hpckit.bench/1`. Whatever was measured with other parameters, on another machine
or with other versions is refused by name: a table of unequal things misleads.
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
#: What can be there, each `results/bench-NAME.json`, and the command that makes it.
COMMANDS: Final[Mapping[str, str]] = {
    "baseline": "hpckit bench baseline",
    "slurm": "hpckit bench slurm",
    "slurm-real": "hpckit bench slurm",
    "spot": "hpckit bench spot",
    "spot-real": "hpckit bench spot",
}
#: In the order in which tables and pictures show them.
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
#: What emulated and real runs of one scenario must have in common besides.
#: The time from SIGTERM to SIGKILL may differ: on a real Slurm it is the site's.
_EQUAL_IN_SCENARIO: Final = (
    "seed", "tasks", "tasks_by_size", "size", "workers", "cpus", "backends", "life_s", "grace_s",
)  # fmt: skip
_EQUAL_MACHINE: Final = ("cpus", "memory_mib", "model")
#: What a figure is of, and what its intervals are worth.
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
    """Where the tasks ran. `kind` is emulated or slurm, or what a baseline calls itself."""

    kind: str
    version: str | None = None
    nodes: int | None = None
    cpus_per_node: int | None = None


class Machine(msgspec.Struct, frozen=True):
    """The computer that measured; `noise` says in words what else was going on."""

    cpus: int
    memory_mib: float | None = None
    model: str = ""
    noisy: bool = False
    noise: list[str] = []


class Check(msgspec.Struct, frozen=True):
    """One thing that has to hold."""

    name: str
    value: Any
    limit: Any = None
    passed: bool = msgspec.field(name="pass", default=True)


class Sample(msgspec.Struct, frozen=True):
    """What of one measured run is needed here; times are seconds.

    `slots` are the tasks that can really run at a time, fewer than workers times cpus where
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
    """The life of one worker: when it was there, why it went, (start_s, duration_s, kind) tasks."""

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
        """Whether both hold a value in common, so that their medians are not told apart."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The repeats of one thing: equal case, size, workers and undisturbed.

    Attributes:
        case: its name; `engine` is what it runs on, and `hpckit` whether that is with hpckit.
        size: of the tasks.
        workers: how many.
        undisturbed: no worker was taken away.
        n: how many repeats.
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
        """Return the median of a measure, or None where it was not taken."""
        found = self.measures.get(measure)
        return found.median if found else None


@dataclass(frozen=True)
class BenchResult:
    """One document, with the name that the documentation knows it by."""

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
        """Return how many tasks run at a time on so many workers."""
        found = {s.slots for s in self.body.samples if s.workers == workers}
        return max(found) if found else None

    def cpus(self, workers: int) -> int:
        """Return how many cores each of so many workers has."""
        return max((s.cpus for s in self.body.samples if s.workers == workers), default=1)

    def engine(self, case: str) -> str:
        """Return what a case runs on: ``hpckit-ray`` and ``plain-ray`` both on ``ray``."""
        return next((s.engine for s in self.body.samples if s.case == case), case)

    def is_oversubscribed(self, workers: int) -> bool:
        """Whether so many workers share CPUs: fewer slots than they have cores together."""
        return any(
            sample.workers == workers and sample.slots < workers * sample.cpus
            for sample in self.body.samples
        )

    def fair_workers(self, figures: Iterable[Figure] | None = None) -> int:
        """Return the largest number of workers that is not crowded, else the smallest."""
        numbers = {figure.workers for figure in (figures or self.figures)}
        return max((n for n in numbers if not self.is_oversubscribed(n)), default=min(numbers))

    def total(self, figure: Figure, loss: str) -> int:
        """Return the sum over a figure's runs of `tasks_lost` or `recorded_twice`."""
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
        """The place in words: ``"emulated Slurm 22.05.8, 4 nodes of 2 CPUs, on a machine of…"``."""
        machine = f"a machine of {counted(self.body.machine.cpus, 'CPU')}"
        place = self.body.place
        if place is None:
            return machine
        on = "on" if place.kind == "emulated" else "asked from"
        return f"{describe_slurm(place, self.body.machine.cpus)}, {on} {machine}"


def describe_slurm(place: ClusterInfo, cpus: int) -> str:
    """Return a Slurm in words: its kind, version and nodes.

    Args:
        place: that Slurm.
        cpus: of the machine that measures. An emulated node has one more than its workers take.
    """
    kind = {"emulated": "emulated Slurm", "slurm": "Slurm"}.get(place.kind, place.kind)
    words = f"{kind} {place.version or ''}".rstrip()
    if not place.nodes or not place.cpus_per_node:
        return words
    words += f", {counted(place.nodes, 'node')} of {counted(place.cpus_per_node, 'CPU')}"
    if place.kind == "emulated" and place.nodes == 1 and place.cpus_per_node > cpus:
        words += " (one of them for the head, emulated)"
    return words


def sort_cases(cases: Iterable[str]) -> list[str]:
    """Return cases without repeats: the known ones as `CASES` has them, others after them."""
    found = set(cases)
    return [case for case in CASES if case in found] + sorted(found - set(CASES))


def load_all(results: Path) -> list[BenchResult]:
    """Read whatever scenarios are there, and refuse what cannot be compared.

    Raises:
        InputError: a document is of another form, or of unequal measurements.
        StorageError: a file cannot be read.
    """
    found = [bench for name in COMMANDS if (bench := load_result(results, name))]
    for bench in found:
        refuse_mixed(bench)
    for one, other in combinations(found, 2):
        refuse_unequal(one, other)
    return found


def load_result(results: Path, name: str) -> BenchResult | None:
    """Return the document of that name, or None where there is none.

    Raises:
        InputError: it is no JSON, or of another form.
        StorageError: it cannot be read.
    """
    path = results / f"bench-{name}.json"
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    again = f"Run again: {COMMANDS[name]}"
    try:
        raw = msgspec.json.decode(text)
        schema = raw.get("schema") if isinstance(raw, dict) else None
        if schema != SCHEMA:
            raise InputError(f"{path} is of schema {schema!r}, not {SCHEMA!r}", hint=again)
        body = msgspec.convert(raw, _Body)
        figures = tuple(_figure(item) for item in body.figures)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a whole {SCHEMA} document: {error}", hint=again) from error
    return BenchResult(name, path, hashlib.sha256(text).hexdigest()[:12], raw, body, figures)


def _figure(item: Mapping[str, Any]) -> Figure:
    """Return a figure; a measure that was not taken (null, or a median of null) is left out."""
    measures = {
        name: Interval(**{key: float(value[key]) for key in ("median", "low", "high", "spread")})
        for name, value in item.items()
        if isinstance(value, dict) and value.get("median") is not None
    }
    return Figure(**{key: item[key] for key in _FIGURE_KEYS}, measures=measures)


def refuse_mixed(bench: BenchResult) -> None:
    """Refuse a document whose cases were given different numbers of tasks of one size.

    Raises:
        InputError: they were.
    """
    first: dict[tuple[int, bool], Sample] = {}
    for sample in bench.body.samples:
        other = first.setdefault((sample.size, sample.undisturbed), sample)
        if other.tasks != sample.tasks:
            raise InputError(
                f"{bench.path} compares unequal things: of size {sample.size}, {other.case} was "
                f"given {other.tasks} tasks and {sample.case} {sample.tasks}",
                hint=f"Run again: {COMMANDS[bench.name]}",
            )


def refuse_unequal(one: BenchResult, other: BenchResult) -> None:
    """Compare what was measured with what; name the first thing that differs.

    Scenarios may differ in seed, tasks, sizes, workers, engines and repeats: every row of a table
    names its own. The emulated and the real run of one scenario may not.

    Raises:
        InputError: they are not to be compared.
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
                f"{one.path} and {other.path} are not to be compared: "
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
    """Return what is not there, and how it is made; a real Slurm is asked for in words."""
    names = {bench.name for bench in found}
    words = {
        name: command + (" (where a real Slurm can be reached)" if "-real" in name else "")
        for name, command in COMMANDS.items()
    }
    return {name: how for name, how in words.items() if name not in names}
