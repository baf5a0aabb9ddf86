"""The parameter sweep of a bag: each entry of ``[each]`` is one axis of the product."""

from __future__ import annotations

import math
import re
from typing import Any

from hpckit.errors import did_you_mean
from hpckit.model.fields import Frozen
from hpckit.model.toml_file import describe, plain, text_of

Scalar = bool | int | float | str

FORMS = 'a list, { glob = "data/*.npy" }, { range = "0-9" } or { lines = "files.txt" }'
_LATER = ("zip", "csv", "jsonl", "json_lines", "jsonlines")
_RANGE = re.compile(r"\s*(-?\d+)\s*-\s*(-?\d+)\s*(?::\s*(\d+)\s*)?")


class Values(Frozen):
    """The values of a list; `texts` has them as written, and is empty when all are strings."""

    items: tuple[Scalar, ...]
    texts: tuple[str, ...] = ()


class Glob(Frozen):
    """The files that match a pattern, sorted, as absolute paths; ``**`` crosses directories."""

    glob: str


class Range(Frozen):
    """The whole numbers from `first` to `last`, both included; `width` pads with zeros."""

    first: int
    last: int
    step: int = 1
    width: int = 0


class Lines(Frozen):
    """The lines of a UTF-8 text file, without their line ends; empty ones are left out."""

    lines: str


Axis = Values | Glob | Range | Lines


def read_axis(raw: Any) -> Any:
    """Return the axis that an entry of ``[each]`` asks for.

    Raises:
        ValueError: the entry has none of the allowed forms.
    """
    if isinstance(raw, Values | Glob | Range | Lines):
        return raw
    if isinstance(raw, list | tuple):
        return _values(list(raw))
    if isinstance(raw, bool | int | float | str):
        return _values([raw])
    if not isinstance(raw, dict):
        raise ValueError(f"is {describe(raw)}, but must be {FORMS}")
    return _from_table(raw)


def _values(items: list[Any]) -> Values:
    if not items:
        raise ValueError("is an empty list, so there is nothing to run over")
    for item in items:
        if not isinstance(item, bool | int | float | str):
            raise ValueError(
                f"holds {describe(item)}, but may hold only strings, numbers and booleans"
            )
        if isinstance(item, str) and "\0" in item:
            raise ValueError(f"holds {describe(item)}, whose zero byte no command can hold")
        if isinstance(item, float) and not math.isfinite(item):
            raise ValueError(f"holds {text_of(item)}, which is no number; write it as a string")
    if all(isinstance(item, str) for item in items):
        return Values(items=tuple(items))
    return Values(items=tuple(map(plain, items)), texts=tuple(text_of(item) for item in items))


def _from_table(raw: dict[str, Any]) -> Axis:
    for name in raw:
        if name in _LATER:
            raise ValueError(
                f"{name!r} is not supported yet; now an entry is {FORMS}, "
                "and several entries make their product"
            )
    known = ("glob", "range", "lines", "step")
    for name in raw:
        if name not in known:
            raise ValueError(
                f"unknown key {name!r}; an entry is {FORMS}.{did_you_mean(name, known)}"
            )
    kinds = [name for name in raw if name != "step"]
    if len(kinds) != 1 or ("step" in raw and kinds != ["range"]):
        raise ValueError(f"has the keys {', '.join(raw) or 'none'}, but must be {FORMS}")
    value = raw[kinds[0]]
    if kinds[0] == "range":
        return _range(value, raw.get("step"))
    if not isinstance(value, str) or not value:
        raise ValueError(f"{kinds[0]} is {describe(value)}, but must be a path")
    return Glob(glob=value) if kinds[0] == "glob" else Lines(lines=value)


def _range(value: Any, step: Any) -> Range:
    wanted = 'must be "FIRST-LAST" or "FIRST-LAST:STEP", both ends included'
    if not isinstance(value, str):
        raise ValueError(f"range is {describe(value)}, but {wanted}")
    match = _RANGE.fullmatch(value)
    if match is None:
        raise ValueError(f"range is {describe(value)}, but {wanted}")
    if step is not None and (isinstance(step, bool) or not isinstance(step, int) or step < 1):
        raise ValueError(f"step is {describe(step)}, but must be a whole number of at least 1")
    if step is not None and match[3] is not None:
        raise ValueError(f"range is {describe(value)}, so it has its step already; leave step out")
    first, last = int(match[1]), int(match[2])
    by = int(step) if step is not None else int(match[3] or 1)
    if by < 1:
        raise ValueError(f"range is {describe(value)}: its step must be at least 1")
    if last < first:
        raise ValueError(f"range is {describe(value)}: it ends before it begins")
    padded = match[1].startswith("0") and len(match[1]) > 1
    return Range(first=first, last=last, step=by, width=len(match[1]) if padded else 0)
