"""Find the figure that a reference names: `baseline hpckit-ray size=least makespan_s.median`.

`hpckit.bench.report.doc_figures` explains references and how they stand in documents.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hpckit.bench.report.load_results import (
    CASES,
    COMMANDS,
    BenchResult,
    Figure,
    Interval,
    load_result,
)
from hpckit.bench.report.numbers import (
    Unit,
    count,
    format_full,
    format_interval,
    mib,
    milliseconds,
    per_second,
    percent,
    seconds,
    three_digits,
)
from hpckit.errors import InputError, did_you_mean
from hpckit.model.units import human_bytes, human_duration

_STATISTICS: Final = ("median", "low", "high", "spread", "interval", "full")
#: The format of a measure, by its name, else by the end of its name.
_UNITS: Final[Mapping[str, Unit]] = {
    "efficiency": percent,
    "capacity_used": percent,
    "bytes_moved": human_bytes,
    "throughput_per_s": per_second,
    "_ms": milliseconds,
    "_mib": mib,
    "_s": seconds,
}
_COMMANDS: Final[Mapping[str, str]] = {
    **COMMANDS,
    "native": "make bench-native",
    "emulator": "make bench-emulator",
    "reclaim": "make bench-reclaim",
    "chaos": "make chaos",
    "conformance": "make conformance",
}


class NotMeasured(Exception):
    """The figure has not been measured; the message is the command that measures it."""


@dataclass(frozen=True)
class Value:
    """A figure and its text.

    Attributes:
        number: None if it is not a number.
        text: the number with its unit.
        interval: of a measured median; `whole` is then the text with the interval.
    """

    number: float | None
    text: str
    interval: Interval | None = None
    whole: str = ""

    def is_below(self, other: Value) -> bool:
        """Return True if this is less than `other`: of intervals, if both have one.

        Raises:
            InputError: one of the two is not a number.
        """
        if self.interval and other.interval:
            return self.interval.high < other.interval.low
        if self.number is None or other.number is None:
            raise InputError("is not about numbers")
        return self.number < other.number


def split_words(what: str) -> list[str]:
    """Return the words of a reference; some may be quoted.

    Raises:
        InputError: there are none, or a quote is not closed.
    """
    try:
        words = shlex.split(what)
    except ValueError as error:
        raise InputError(f"has a quote that is not closed: {what}") from error
    if not words:
        raise InputError("names nothing; needs the name of a scenario or of other results")
    return words


class Results:
    """The results; each file is read when it is needed.

    Args:
        results: the directory of the JSON.
    """

    def __init__(self, results: Path) -> None:
        self._results = results

    def value(self, what: str) -> Value:
        """Return the figure that a marker names; of two with ` / ` between them, the ratio.

        Raises:
            Unmeasured: it has yet to be measured.
            InputError: it names something that is not there.
        """
        parts = what.split(" / ")
        if len(parts) == 1:
            return self._one(what)
        over, under = (self._one(part) for part in parts[:2])
        if len(parts) > 2 or over.number is None or not under.number:
            raise InputError("is no ratio of two numbers")
        ratio = over.number / under.number
        return Value(ratio, three_digits(ratio))

    def bench(self, name: str) -> BenchResult:
        """Return the document of a scenario.

        Raises:
            NotMeasured, InputError: as `value`."""
        if name not in COMMANDS:
            raise InputError(f"no scenario {name!r};{did_you_mean(name, COMMANDS)}")
        found = load_result(self._results, name)
        if found is None:
            raise NotMeasured(f"`{COMMANDS[name]}`")
        return found

    def _one(self, what: str) -> Value:
        name, *words = split_words(what)
        if words and words[0].startswith("check="):
            return self._check(name, words[0].removeprefix("check="), limit=words[1:] == ["limit"])
        bench = self.bench(name)
        chosen = selectors(words)
        names = [word for word in words if "=" not in word and word != "reclaimed"]
        if len(names) == 1:
            return _document_value(bench, names[0], chosen)
        if len(names) != 2:
            raise InputError("needs a case and a measure, or check=, or a key of the document")
        return _measured(bench, names[0], names[1], chosen)

    def _check(self, name: str, wanted: str, *, limit: bool) -> Value:
        paths = [self._results / f"bench-{name}.json", self._results / f"{name}.json"]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            if name not in _COMMANDS:
                raise InputError(f"no results {name!r};{did_you_mean(name, _COMMANDS)}")
            raise NotMeasured(f"`{_COMMANDS[name]}`")
        checks = {check["name"]: check for check in json.loads(path.read_bytes())["checks"]}
        if wanted not in checks:
            raise InputError(f"{path.name} has no check {wanted!r};{did_you_mean(wanted, checks)}")
        value = checks[wanted]["limit" if limit else "value"]
        number = value if isinstance(value, int | float) else None
        return Value(number, three_digits(value) if isinstance(value, float) else str(value))


def selectors(words: Sequence[str]) -> dict[str, str]:
    """Return the selectors among the words; `reclaimed` becomes ``{"reclaimed": "yes"}``.

    Raises:
        InputError: one is unknown.
    """
    chosen = {"reclaimed": "yes"} if "reclaimed" in words else {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            if key not in {"size", "workers", "measure"}:
                raise InputError(f"no selector {key!r}; known: size, workers, measure, reclaimed")
            chosen[key] = value
    return chosen


def _document_value(bench: BenchResult, key: str, chosen: Mapping[str, str]) -> Value:
    """Return a value from the document itself: `versions.ray`, `place.nodes`, `task_s`."""
    if key == "task_s":
        task_s = bench.task_s(choose_size(bench, list(bench.figures), chosen.get("size", "least")))
        if task_s is None:
            raise InputError("has no sample of that size")
        return Value(task_s, human_duration(task_s))
    found: Any = bench.raw
    for step in key.split("."):
        if not isinstance(found, Mapping) or step not in found:
            raise InputError(f"{bench.path.name} has no {key!r}")
        found = found[step]
    if found is None:
        raise NotMeasured(f"{key} is not installed where it was measured")
    if isinstance(found, list):
        return Value(None, ", ".join(map(str, found)))
    number = found if isinstance(found, int | float) else None
    return Value(number, str(found))


def _measured(bench: BenchResult, case: str, what: str, chosen: Mapping[str, str]) -> Value:
    measure, _, statistic = what.partition(".")
    statistic = statistic or "median"
    if statistic not in _STATISTICS:
        raise InputError(f"no statistic {statistic!r};{did_you_mean(statistic, _STATISTICS)}")
    figure = _figure(bench, case, chosen)
    interval = figure.measures.get(measure)
    if interval is None:
        known = {name for other in bench.figures for name in other.measures}
        if measure in known:
            raise NotMeasured(f"{measure} is not taken of {case}")
        raise InputError(f"no measure {measure!r};{did_you_mean(measure, known)}")
    return format_statistic(interval, statistic, unit_of(measure))


def format_statistic(interval: Interval, statistic: str, unit: Unit) -> Value:
    """Return a statistic of an interval, with its unit."""
    if statistic == "interval":
        return Value(None, format_interval(interval, unit))
    if statistic in {"median", "full"}:
        whole = format_full(interval, unit)
        text = whole if statistic == "full" else unit(interval.median)
        return Value(interval.median, text, interval, whole)
    number = getattr(interval, statistic)
    return Value(number, unit(number))


def unit_of(measure: str) -> Unit:
    """Return the formatter of a measure."""
    if measure in _UNITS:
        return _UNITS[measure]
    return next((unit for end, unit in _UNITS.items() if measure.endswith(end)), count)


def _figure(bench: BenchResult, case: str, chosen: Mapping[str, str]) -> Figure:
    figures = [f for f in bench.figures if f.case == case]
    if not figures:
        if case not in CASES:
            raise InputError(f"no case {case!r};{did_you_mean(case, CASES)}")
        raise NotMeasured(f"{case} was not there when {bench.name} was measured")
    figures = [f for f in figures if f.undisturbed != ("reclaimed" in chosen)]
    size = choose_size(bench, figures, chosen.get("size", "most"))
    figures = [f for f in figures if f.size == size]
    workers = choose_workers(bench, figures, chosen.get("workers", "fair"))
    return next(f for f in figures if f.workers == workers)


def choose_size(bench: BenchResult, figures: Sequence[Figure], wanted: str) -> int:
    """Return the size that `wanted` names: a number, `least` or `most`."""
    return _choose(bench, "size", {f.size for f in figures}, wanted)


def choose_workers(bench: BenchResult, figures: Sequence[Figure], wanted: str) -> int:
    """Return the number of workers that `wanted` names: a number, `least`, `most` or `fair`."""
    if wanted == "fair" and figures:
        return bench.fair_workers(figures)
    return _choose(bench, "workers", {f.workers for f in figures}, wanted)


def _choose(bench: BenchResult, key: str, known: set[int], wanted: str) -> int:
    if not known:
        raise InputError(f"{bench.path.name} has no such runs")
    if wanted in {"least", "most"}:
        return min(known) if wanted == "least" else max(known)
    if not wanted.isdecimal() or int(wanted) not in known:
        raise InputError(f"{bench.path.name} has no {key}={wanted}; it has {sorted(known)}")
    return int(wanted)
