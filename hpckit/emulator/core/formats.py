"""Parse and write times, sizes and exit codes as Slurm does.

Sources: sbatch(1) ``--time``, ``--begin``, ``--mem``; sacct(1) ``--format``; squeue(1) ``%M``.
"""

from __future__ import annotations

import time

UNLIMITED = -1
_stamp_format = "%Y-%m-%dT%H:%M:%S"
_MEMORY_KIB = {"K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}
_BEGIN_UNIT_S = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400,
}  # fmt: skip
_BEGIN_HOUR = {"midnight": 0, "noon": 12, "fika": 15, "elevenses": 11, "teatime": 16}


def parse_time_limit(text: str) -> int:
    """Return the minutes of a ``--time`` value, rounded up; `UNLIMITED` for INFINITE.

    Forms: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S.

    Raises:
        ValueError: the text is none of these.
    """
    word = text.strip()
    if word.lower() in ("-1", "infinite", "unlimited"):
        return UNLIMITED
    days, dash, clock = word.rpartition("-")
    parts = clock.split(":")
    if not all(p.isdigit() for p in parts) or (dash and not days.isdigit()) or len(parts) > 3:
        raise ValueError(text)
    numbers = [int(p) for p in parts]
    if dash:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    total = int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds
    return -(-total // 60)


def parse_memory_mib(text: str) -> int:
    """Return the MiB of ``--mem``: a number with K, M (the default), G or T; rounded up.

    Raises:
        ValueError: the text is no size.
    """
    word = text.strip().upper()
    if word.endswith("B") and len(word) > 2:
        word = word[:-1]
    unit = "M"
    if word[-1:] in _MEMORY_KIB:
        word, unit = word[:-1], word[-1]
    if not word.isdigit():
        raise ValueError(text)
    return -(-int(word) * _MEMORY_KIB[unit] // 1024)


def parse_count(text: str) -> int:
    """Return a count that may carry Slurm's k (1024) or m (1024²) suffix."""
    word, factor = text.strip(), 1
    if word[-1:] in "kK" and word[:-1].isdigit():
        word, factor = word[:-1], 1024
    elif word[-1:] in "mM" and word[:-1].isdigit():
        word, factor = word[:-1], 1024**2
    return int(word) * factor


def parse_node_count(text: str) -> tuple[int, int]:
    """Return the least and the greatest number of nodes of ``--nodes`` (``2``, ``2-4``)."""
    low, dash, high = text.partition("-")
    least = parse_count(low)
    most = parse_count(high) if dash else least
    if least < 1 or most < least:
        raise ValueError(text)
    return least, most


def parse_begin(text: str, now: float) -> float:
    """Return the epoch seconds of ``--begin``: ``now+1hour``, ``16:00``, ``2030-01-20T12:34:00``.

    Raises:
        ValueError: the text is no time that Slurm knows.
    """
    word = text.strip()
    if word.lower().startswith("now"):
        return now + _relative_s(word[3:])
    if word.lower() in ("today", "tomorrow"):
        return now + (86400 if word.lower() == "tomorrow" else 0)
    if word.lower() in _BEGIN_HOUR:
        return _next_clock(now, _BEGIN_HOUR[word.lower()], 0, 0)
    for form in ("%H:%M:%S", "%H:%M"):
        try:
            clock = time.strptime(word, form)
        except ValueError:
            continue
        return _next_clock(now, clock.tm_hour, clock.tm_min, clock.tm_sec)
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%m/%d/%y", "%m%d%y"):
        try:
            return time.mktime(time.strptime(word, form))
        except ValueError:
            continue
    if word.isdigit() and len(word) >= 9:  # submitit and scontrol may hand back epoch seconds
        return float(word)
    raise ValueError(text)


def _relative_s(text: str) -> float:
    word = text.strip()
    if not word:
        return 0.0
    if word[0] not in "+-":
        raise ValueError(text)
    sign = 1 if word[0] == "+" else -1
    digits = word[1:].rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = word[1 + len(digits) :].rstrip("s")
    if not digits.isdigit():
        raise ValueError(text)
    for name, seconds in _BEGIN_UNIT_S.items():
        if not unit or name.startswith(unit):
            return sign * int(digits) * (seconds if unit else 1)
    raise ValueError(text)


def _next_clock(now: float, hour: int, minute: int, second: int) -> float:
    today = time.localtime(now)
    fields = (today.tm_year, today.tm_mon, today.tm_mday, hour, minute, second, 0, 0, -1)
    then = time.mktime(fields)
    return then if then >= now else then + 86400


def elapsed(seconds: float) -> str:
    """Return ``[D-]HH:MM:SS`` as sacct's Elapsed and scontrol's RunTime write it."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock


def short_elapsed(seconds: float) -> str:
    """Return ``[D-][H:]M:SS`` as squeue's ``%M`` and ``%l`` write it."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    clock = f"{rest // 60:02}:{rest % 60:02}"
    if days:
        return f"{days}-{hours:02}:{clock}"
    return f"{hours}:{clock}" if hours else f"{rest // 60}:{rest % 60:02}"


def time_limit(minutes: int, *, long: bool) -> str:
    """Return a time limit in minutes as scontrol and sacct (long) or squeue (short) write it."""
    if minutes < 0:
        return "UNLIMITED"
    return elapsed(minutes * 60) if long else short_elapsed(minutes * 60)


def use_stamp_format(text: str) -> None:
    """Apply ``SLURM_TIME_FORMAT`` (``standard`` means Slurm's own) to the commands' output."""
    global _stamp_format  # noqa: PLW0603 - each command is a process of its own
    if text and text not in ("standard", "relative"):
        _stamp_format = text


def stamp(when: float | None, unknown: str = "Unknown") -> str:
    """Return ``2030-01-20T12:34:00`` in local time; `unknown` for None."""
    if when is None:
        return unknown
    return time.strftime(_stamp_format, time.localtime(when))


def cpu_time(seconds: float) -> str:
    """Return sacct's TotalCPU form: ``MM:SS.mmm`` under an hour, else ``[D-]HH:MM:SS``."""
    if seconds < 3600:
        milli = round(seconds * 1000)
        return f"{milli // 60000:02}:{milli // 1000 % 60:02}.{milli % 1000:03}"
    return elapsed(seconds)


def memory(mib: float) -> str:
    """Return MiB as Slurm shortens it: ``500M``, ``4G``, ``4000M``, ``1.50G``."""
    if not mib:
        return "0"
    if mib >= 1024 and mib % 1024 == 0:
        return f"{int(mib) // 1024}G"
    return f"{int(mib)}M"


def exit_code(status: tuple[int, int] | list[int]) -> str:
    """Return ``code:signal``."""
    return f"{status[0]}:{status[1]}"
