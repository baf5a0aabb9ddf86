"""Find the line of each value of a TOML text, and the text of the value.

`tomllib` gives neither lines nor the texts of numbers (tomlkit keeps the texts, but has no lines
either). This scanner gives both. It reads only text that `tomllib` has accepted, so it checks
nothing.
TOML 1.0: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Position:
    """The position of one value: its line, counted from 1, and its text as the file writes it.

    The text of tables and arrays is ``""``.
    """

    line: int
    text: str = ""


_GAP = re.compile(r"(?:[ \t\n]|#[^\n]*)*")  # also between the items of an array
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'  # up to two quotes may precede the closing three
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*[^,\]}#\s]")


def find_positions(text: str) -> dict[Path, Position]:
    """Return the position of every table, array and value of a valid TOML text, by its path.

    Items of arrays, and of arrays of tables, are numbered from 0.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.positions


class _Scanner:
    """A recursive descent parser; `at` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.positions: dict[Path, Position] = {}
        self.tables: dict[Path, int] = {}  # items so far, of each array of tables

    def document(self) -> None:
        table: Path = ()
        self.take(_GAP)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.take(_GAP)

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        word = found[0] if found else ""
        self.at += len(word)
        self.line += word.count("\n")
        return word

    def skip(self, count: int = 1) -> None:
        self.at += count

    def header(self) -> Path:
        many = self.text.startswith("[[", self.at)
        self.skip(2 if many else 1)
        names = self.key()
        self.skip(2 if many else 1)
        path: Path = ()
        for name in names[:-1]:
            path = (*path, name)
            if path in self.tables:  # it continues the newest item
                path = (*path, self.tables[path] - 1)
        path = (*path, names[-1])
        if many:
            number = self.tables.get(path, 0)
            self.tables[path] = number + 1
            self.positions.setdefault(path, Position(self.line))
            path = (*path, number)
        self.note(path, self.line)
        return path

    def note(self, path: Path, line: int, text: str = "") -> None:
        for end in range(1, len(path)):  # a dotted key makes tables
            self.positions.setdefault(path[:end], Position(line))
        self.positions[path] = Position(line, text)

    def key(self) -> list[str]:
        names: list[str] = []
        while True:
            self.take(_SPACE)
            quoted = self.take(_STRING)
            names.append(tomllib.loads(f"k = {quoted}")["k"] if quoted else self.take(_BARE))
            self.take(_SPACE)
            if self.text[self.at] != ".":
                return names
            self.skip()

    def pair(self, table: Path) -> None:
        line = self.line
        path = (*table, *self.key())
        self.skip()  # =
        self.take(_SPACE)
        self.value(path, line)

    def value(self, path: Path, line: int) -> None:
        start = self.text[self.at]
        if start == "[":
            self.note(path, line)
            self.array(path)
        elif start == "{":
            self.note(path, line)
            self.inline_table(path)
        elif start in "\"'":
            self.note(path, line, self.take(_STRING))
        else:
            self.note(path, line, self.take(_SCALAR))

    def array(self, path: Path) -> None:
        self.skip()
        number = 0
        while True:
            self.take(_GAP)
            if self.text[self.at] == "]":
                return self.skip()
            self.value((*path, number), self.line)
            number += 1
            self.take(_GAP)
            if self.text[self.at] == ",":
                self.skip()

    def inline_table(self, path: Path) -> None:
        self.skip()
        while True:
            self.take(_GAP)
            if self.text[self.at] == "}":
                return self.skip()
            self.pair(path)
            self.take(_GAP)
            if self.text[self.at] == ",":
                self.skip()
