"""The format of each kind of number, and of its confidence interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hpckit.bench.report.load_results import Interval

Unit = Callable[[float], str]
NONE: Final = "-"
_FULL_CONFIDENCE: Final = 0.95  # six runs reach it


def seconds(value: float) -> str:
    """Return ``"4.20 s"``: at least three digits."""
    return f"{three_digits(value)} s"


def milliseconds(value: float) -> str:
    """Return ``"7.90 ms"``."""
    return f"{three_digits(value)} ms"


def per_second(value: float) -> str:
    """Return ``"71.4/s"``."""
    return f"{three_digits(value)}/s"


def percent(value: float) -> str:
    """Return a share as ``"22 %"``."""
    return f"{value * 100:.0f} %"


def mib(value: float) -> str:
    """Return ``"61 MiB"``."""
    return f"{value:.0f} MiB"


def count(value: float) -> str:
    """Return a count; a median between two counts keeps its half."""
    return f"{value:g}"


def three_digits(value: float) -> str:
    """Return a number with three digits and no power of ten: 0.0123, 4.20, 71.4, 1234."""
    if value == 0:
        return "0"
    digits = max(0, 2 - _magnitude(abs(value)))
    return f"{value:.{digits}f}"


def _magnitude(value: float) -> int:
    return int(f"{value:.2e}".partition("e")[2])


def format_median(interval: Interval | None, unit: Unit) -> str:
    """Return the median, or a dash if nothing was measured."""
    return unit(interval.median) if interval else NONE


def format_full(interval: Interval | None, unit: Unit) -> str:
    """Return median and confidence interval: ``"4.20 s (4.00 to 4.50 s)"``.

    An interval of zero width, as of a single run, is left out.
    """
    if interval is None:
        return NONE
    if interval.low == interval.high:
        return unit(interval.median)
    return f"{unit(interval.median)} ({format_interval(interval, unit)})"


def format_interval(interval: Interval, unit: Unit) -> str:
    """Return the confidence interval with its unit once: ``"4.00 to 4.50 s"``."""
    low, high = unit(interval.low), unit(interval.high)
    number, _, tail = high.rpartition(" ")
    return f"{low.removesuffix(' ' + tail) if number else low} to {high}"


def describe_medians(n: int, confidence: float, shown: str) -> str:
    """Explain figures of `n` runs and their intervals, the same everywhere.

    ``"medians of 3 runs; bars: their range, a 75 % confidence interval"``. Below six runs an
    interval is the whole range, and its confidence is less than 95 %.

    Args:
        n: smallest number of runs.
        confidence: of the intervals, from the document.
        shown: what shows the intervals: ``"bars:"``.
    """
    if n == 1:
        return "one run each, so without intervals"
    if confidence < _FULL_CONFIDENCE:
        interval = f"their range, a {percent(confidence)} confidence interval"
    else:
        interval = f"their {percent(_FULL_CONFIDENCE)} confidence intervals"
    return f"medians of {n} runs; {shown} {interval}"
