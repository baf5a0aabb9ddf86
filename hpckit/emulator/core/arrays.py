"""Job arrays: parse ``--array=0-15:4,20%2``, and write the ``7_[3-9%2]`` notation.

Source: sbatch(1) ``--array``, https://slurm.schedmd.com/job_array.html
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_LISTED, _SPAN = 5, 10  # evenly spaced indices become 0-12:2 when they are more, and wider
_SHORT = 64  # SLURM_BITSTR_LEN's default: squeue and scontrol cut longer lists


def parse(text: str, max_array_size: int) -> tuple[list[int], int]:
    """Return the sorted indices and the throttle (0: none) of an ``--array`` value.

    Raises:
        ValueError: the text is no array, or an index is not below `max_array_size`.
    """
    body, percent, throttle = text.strip().partition("%")
    limit = 0
    if percent:
        if not throttle.isdigit():
            raise ValueError(text)
        limit = int(throttle)
    if body.startswith("[") and body.endswith("]"):
        body = body[1:-1]
    indices: set[int] = set()
    for part in body.split(","):
        span, colon, step = part.partition(":")
        low, dash, high = span.partition("-")
        words = [low] + ([high] if dash else []) + ([step] if colon else [])
        if not all(w.isdigit() for w in words) or (colon and (not dash or int(step) == 0)):
            raise ValueError(text)
        if int(high or low) < int(low) or int(high or low) >= max_array_size:
            raise ValueError(text)
        indices.update(range(int(low), int(high or low) + 1, int(step or 1)))
    return sorted(indices), limit


def describe(indices: Sequence[int], throttle: int = 0, *, shorten: bool = False) -> str:
    """Return ``3-9%2`` for pending indices; with `shorten`, squeue's cut-off form ``1,3,5,...``."""
    suffix = f"%{throttle}" if throttle else ""
    step = _even_step(indices)
    if step > 1 and len(indices) > _LISTED and indices[-1] - indices[0] > _SPAN:
        return f"{indices[0]}-{indices[-1]}:{step}{suffix}"
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
    if shorten and len(text) > _SHORT:
        text = text[: _SHORT - 3] + "..."
    return text + suffix


def _even_step(indices: Sequence[int]) -> int:
    if len(indices) < 3:
        return 1
    step = indices[1] - indices[0]
    even = all(b - a == step for a, b in pairwise(indices))
    return step if even else 1


def step_of(indices: Sequence[int]) -> int:
    """Return SLURM_ARRAY_TASK_STEP: the common step, or 1."""
    return _even_step(indices) if len(indices) > 2 else _pair_step(indices)


def _pair_step(indices: Sequence[int]) -> int:
    return indices[1] - indices[0] if len(indices) == 2 else 1
