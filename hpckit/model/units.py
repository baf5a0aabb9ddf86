"""Convert durations and memory sizes. No other module converts units.

Durations are whole seconds, memory is whole MiB. Both are rounded **up**. Zero is refused,
because for Slurm a time limit of zero means "none" and a memory of zero means "all".
Slurm's own formats: https://slurm.schedmd.com/sbatch.html (``--time``, ``--mem``).
"""

from __future__ import annotations

import math
import re

from hpckit.errors import InputError

_DURATION_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_WORDS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m",
    "minute": "m", "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d",
}  # fmt: skip
_BYTES = {
    "b": 1, "k": 1024, "kb": 1000, "kib": 1024, "m": 1024**2, "mb": 1000**2, "mib": 1024**2,
    "g": 1024**3, "gb": 1000**3, "gib": 1024**3, "t": 1024**4, "tb": 1000**4, "tib": 1024**4,
}  # fmt: skip
MIB = 1024**2


def parse_duration_s(text: str | float) -> int:
    """Return the seconds of ``"90s"``, ``"5m"``, ``"1h30m"``, ``"01:30:00"``, ``"2-00:00:00"``.

    A number without a unit means seconds. Fractions are rounded up.

    Raises:
        InputError: the text is not a duration, or is zero or negative.
    """
    seconds = _clock_s(text) if isinstance(text, str) else float(text)
    if not math.isfinite(seconds) or seconds <= 0:
        raise InputError(
            f"duration {text!r} is not a positive time",
            hint='Write it as "90s", "5m", "1h30m" or "HH:MM:SS".',
        )
    return math.ceil(seconds)


def parse_wait_s(text: str | float) -> int:
    """Return the seconds of a duration that may be zero: ``"0s"``, ``0``.

    Raises:
        InputError: the text is not a duration, or is negative.
    """
    none = _clock_s(text) == 0 if isinstance(text, str) else text == 0
    return 0 if none else parse_duration_s(text)


def _clock_s(text: str) -> float:
    word = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", word):
        return float(word)
    if match := re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+)(?::(\d+))?", word):
        days, first, second, third = match.groups()
        if third is None and days is None:  # Slurm's MM:SS
            return int(first) * 60 + int(second)
        return int(days or 0) * 86400 + int(first) * 3600 + int(second) * 60 + int(third or 0)
    total, rest = 0.0, word
    while rest:
        part = re.match(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", rest)
        unit = _DURATION_WORDS.get(part[2], part[2]) if part else ""
        if part is None or unit not in _DURATION_UNIT_S:
            raise InputError(
                f"cannot read {text!r} as a duration",
                hint='Write it as "90s", "5m", "1h30m" or "HH:MM:SS".',
            )
        total += float(part[1]) * _DURATION_UNIT_S[unit]
        rest = rest[part.end() :]
    return total


def parse_memory_mib(text: str | float) -> int:
    """Return the MiB of ``"500 MB"``, ``"2 GiB"``, ``"4G"`` (Slurm's G is GiB); a number is MiB.

    Raises:
        InputError: the text is not a size, or is zero or negative.
    """
    if isinstance(text, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
        unit = match[2].lower() or "mib" if match else ""
        if match is None or unit not in _BYTES:
            raise InputError(
                f"cannot read {text!r} as a memory size",
                hint='Write it as "500 MB", "2 GiB" or "4G".',
            )
        mib = float(match[1]) * _BYTES[unit] / MIB
    else:
        mib = float(text)
    if not math.isfinite(mib) or mib <= 0:
        raise InputError(f"memory size {text!r} is not positive", hint='Write "500 MB", say.')
    return math.ceil(mib)


def slurm_time(seconds: int) -> str:
    """Return whole seconds in Slurm's ``D-HH:MM:SS`` or ``HH:MM:SS``, rounded up to the minute.

    Slurm rounds time limits to minutes; rounding here shows the limit that it will use.
    """
    minutes = max(1, math.ceil(seconds / 60))
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    return f"{days}-{hours:02}:{minutes:02}:00" if days else f"{hours:02}:{minutes:02}:00"


def human_duration(seconds: float) -> str:
    """Return ``"850 ms"``, ``"12.3 s"``, ``"4m 05s"``, ``"3h 20m"`` or ``"2d 4h"``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}m {int(seconds % 60):02}s"
    if seconds < 86400:
        return f"{int(seconds // 3600)}h {int(seconds % 3600 // 60):02}m"
    return f"{int(seconds // 86400)}d {int(seconds % 86400 // 3600)}h"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``"1 task"``, ``"2 tasks"``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def human_bytes(count: float) -> str:
    """Return a size in decimal units, such as ``"74.3 MB"``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
