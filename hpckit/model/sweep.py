"""The parameter sweep of a bag: each entry of ``[each]`` is one axis of the product."""

from __future__ import annotations

import glob
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hpckit.errors import InputError, did_you_mean
from hpckit.model.fields import Frozen
from hpckit.model.paths import absolute
from hpckit.model.toml_file import describe, plain, text_of

Scalar = bool | int | float | str
Element = tuple[Scalar, str]  # a value, and its text as the file writes it

FORMS = 'a list, { glob = "data/*.npy" }, { range = "0-9" } or { lines = "files.txt" }'
_LATER = ("zip", "csv", "jsonl", "json_lines", "jsonlines")
_RANGE = re.compile(r"\s*(-?\d+)\s*-\s*(-?\d+)\s*(?::\s*(\d+)\s*)?")


class Values(Frozen):
    """The values of a list; `texts` has them as the file writes them, unless all are strings."""

    items: tuple[Scalar, ...]
    texts: tuple[str, ...] = ()


class Glob(Frozen):
    """The files that match a pattern, as sorted absolute paths; ``**`` matches directories."""

    glob: str


class Range(Frozen):
    """The whole numbers from `first` to `last`, both included; `width` pads with zeros."""

    first: int
    last: int
    step: int = 1
    width: int = 0


class Lines(Frozen):
    """The lines of a UTF-8 text file, without their line ends; empty lines are left out."""

    lines: str


Axis = Values | Glob | Range | Lines


def read_axis(raw: Any) -> Any:
    """Return the axis that an entry of ``[each]`` describes.

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


class Elements:
    """The elements of one axis. It can be iterated many times; only globs are kept in memory."""

    def __init__(self, name: str, axis: Axis, directory: str) -> None:
        self.name = name
        self.axis = axis
        self.directory = directory
        self._files = _matches(name, axis, directory) if isinstance(axis, Glob) else []

    def count(self) -> int:
        """Return the number of elements, which may be too large for `len`; read a file of lines.

        Raises:
            InputError: the file of lines cannot be read, or has no lines.
        """
        if isinstance(self.axis, Values):
            return len(self.axis.items)
        if isinstance(self.axis, Range):
            return (self.axis.last - self.axis.first) // self.axis.step + 1
        if isinstance(self.axis, Glob):
            return len(self._files)
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Element]:
        if isinstance(self.axis, Values):
            texts = self.axis.texts or tuple(map(str, self.axis.items))
            return iter(zip(self.axis.items, texts, strict=True))
        if isinstance(self.axis, Range):
            width = self.axis.width
            return ((number, f"{number:0{width}}") for number in _numbers(self.axis))
        if isinstance(self.axis, Glob):
            return zip(self._files, self._files, strict=True)
        return _lines(self.name, self.axis, self.directory)

    @property
    def distinct(self) -> bool:
        """True if no element occurs twice; False for files of lines, where one might."""
        if isinstance(self.axis, Values):
            return len(set(self.axis.texts or self.axis.items)) == len(self.axis.items)
        return not isinstance(self.axis, Lines)


def _numbers(axis: Range) -> range:
    return range(axis.first, axis.last + 1, axis.step)


def _matches(name: str, axis: Glob, directory: str) -> list[str]:
    pattern = absolute(glob.escape(directory), axis.glob)
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    for path in found:
        _check_text(path, f"each.{name}: glob {axis.glob!r}")
    if found:
        return found
    folder = axis.glob
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)  # noqa: PTH120
    folder = absolute(directory, folder)
    there = "holds no such file" if os.path.isdir(folder) else "is not there"  # noqa: PTH112
    raise InputError(
        f"each.{name}: glob {axis.glob!r} matches nothing from {directory}",
        hint=f"{folder} {there}.",
    )


def _check_text(path: str, where: str) -> None:
    """Refuse a name that is not UTF-8, because plans, journals and tables are UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: {os.fsencode(path)!r} is not UTF-8", hint="Rename the file."
        ) from error


def _lines(name: str, axis: Lines, directory: str) -> Iterator[Element]:
    path = Path(absolute(directory, axis.lines))
    empty = True
    try:
        with path.open("rb") as stream:
            for text in read_lines(stream, str(path)):
                empty = False
                yield text, text
    except OSError as error:
        raise InputError(f"each.{name}: cannot read lines from {path}: {error.strerror}") from error
    if empty:
        raise InputError(f"each.{name}: {path} holds no lines")


def read_lines(stream: Iterable[bytes], where: str) -> Iterator[str]:
    """Yield the lines of a UTF-8 text, without their ends; empty lines are left out.

    Only a line feed ends a line, because names may contain all other characters.

    Args:
        stream: the lines as bytes, as a binary file yields them.
        where: the file, for messages.

    Raises:
        InputError: a line is not text; the message has its number.
    """
    for number, raw in enumerate(stream, 1):
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")  # some editors write this byte-order mark
        if not line:
            continue
        if b"\0" in line:
            raise InputError(f"{where}:{number}: holds a zero byte, so it is no text file")
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{where}:{number}: {line!r} is not UTF-8", hint="Save the file as UTF-8."
            ) from error
