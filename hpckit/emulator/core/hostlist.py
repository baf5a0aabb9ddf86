"""Hostlists both ways: ``n[1-3,7]`` ⇄ ``n1 n2 n3 n7``.

The emulator's own, so that it cannot share a mistake with hpckit's (which uses ClusterShell).
Source: scontrol(1) ``show hostnames`` and ``show hostlist``.
"""

from __future__ import annotations

from collections.abc import Iterable


def expand(text: str) -> list[str]:
    """Return the names of a hostlist in order: ``"n[1-2],m"`` → ``["n1", "n2", "m"]``.

    Raises:
        ValueError: brackets do not close, or a range is no range.
    """
    names: list[str] = []
    for part in _split(text):
        names.extend(_expand_one(part))
    return names


def _split(text: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for char in text:
        if char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
        if depth < 0 or depth > 1:
            raise ValueError(text)
        if depth == 0 and char in ", \n":
            parts.append(current)
            current = ""
        else:
            current += char
    if depth:
        raise ValueError(text)
    parts.append(current)
    return [part for part in parts if part]


def _expand_one(part: str) -> list[str]:
    head, bracket, rest = part.partition("[")
    if not bracket:
        return [part]
    ranges, _, tail = rest.partition("]")
    names = []
    for piece in ranges.split(","):
        low, dash, high = piece.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()):
            raise ValueError(part)
        width = len(low)
        names += [f"{head}{n:0{width}}" for n in range(int(low), int(high or low) + 1)]
    if tail:
        raise ValueError(part)  # Slurm accepts nothing after the bracket
    return names


def compress(names: Iterable[str]) -> str:
    """Return the shortest hostlist in the order given: ``n1 n2 n4`` → ``n[1-2,4]``."""
    groups: list[tuple[str, int, list[list[int]]]] = []
    for name in names:
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        if not digits:
            groups.append((name, 0, []))
            continue
        number = int(digits)
        width = len(digits) if digits[0] == "0" else 0
        if groups and groups[-1][2] and groups[-1][0] == stem and _same_width(groups[-1], digits):
            ranges = groups[-1][2]
            if number == ranges[-1][1] + 1:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
        else:
            groups.append((stem, width, [[number, number]]))
    return ",".join(_write(*group) for group in groups)


def _same_width(group: tuple[str, int, list[list[int]]], digits: str) -> bool:
    width = group[1]
    return len(digits) == width if width else digits[0] != "0"


def _write(stem: str, width: int, ranges: list[list[int]]) -> str:
    if not ranges:
        return stem
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return f"{stem}{ranges[0][0]:0{width}}"
    words = (f"{a:0{width}}" if a == b else f"{a:0{width}}-{b:0{width}}" for a, b in ranges)
    return f"{stem}[{','.join(words)}]"


def run_lengths(counts: Iterable[int]) -> str:
    """Return Slurm's ``2(x3),1`` form, as in SLURM_JOB_CPUS_PER_NODE and SLURM_TASKS_PER_NODE."""
    runs: list[list[int]] = []
    for count in counts:
        if runs and runs[-1][0] == count:
            runs[-1][1] += 1
        else:
            runs.append([count, 1])
    return ",".join(f"{c}(x{n})" if n > 1 else str(c) for c, n in runs)
