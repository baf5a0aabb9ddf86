"""The elements of the axes of a bag: each a typed value and its text, as the file has it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from hpckit.errors import InputError
from hpckit.model.paths import absolute
from hpckit.model.sweep import Axis, Glob, Lines, Range, Scalar, Values

Element = tuple[Scalar, str]


class Elements:
    """The elements of one axis. Iterates as often as asked; only globs are held in memory."""

    def __init__(self, name: str, axis: Axis, directory: str) -> None:
        self.name = name
        self.axis = axis
        self.directory = directory
        self._files = _matches(name, axis, directory) if isinstance(axis, Glob) else []

    def count(self) -> int:
        """Return how many there are, also more than `len` can say; a file of lines is read for it.

        Raises:
            InputError: the file of lines cannot be read, or holds none.
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
        """True if no element comes twice; files of lines count as if one might."""
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
    """Refuse what is not UTF-8: plans, journals and tables are, and would not hold it."""
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
    """Yield the lines of a UTF-8 text, without their ends; empty ones are left out.

    A line ends with a line feed and nothing else, so that it can hold whatever else a name can.

    Args:
        stream: the lines as bytes, as a binary file yields them.
        where: the file, for messages.

    Raises:
        InputError: a line is no text, and which.
    """
    for number, raw in enumerate(stream, 1):
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")  # what some editors put there
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
