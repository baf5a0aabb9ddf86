"""TOML documents that know the file, line and original text of each value."""

from __future__ import annotations

import contextlib
import copy
import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpckit.errors import InputError
from hpckit.model import toml_positions
from hpckit.model.paths import is_dir
from hpckit.model.toml_positions import Position

Key = toml_positions.Path


class WrittenInt(int):
    """A whole number that remembers its `text`, such as ``0x1F`` or ``1_000``."""

    text: str


class WrittenFloat(float):
    """A number that remembers its `text`, such as ``1e-2``."""

    text: str


def text_of(value: object) -> str:
    """Return a value as its file writes it; a string without its quotes.

    Raises:
        TypeError: the value is a list or a table.
    """
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"{describe(value)} has no text of its own")


def plain(value: Any) -> Any:
    """Return a value, and everything in it, as plain Python numbers without their texts."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, WrittenInt | WrittenFloat):
        return int(value) if isinstance(value, int) else float(value)
    return value


def describe(value: object) -> str:
    """Describe a value for an error message: ``the number 3``."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return text_of(value)
    if isinstance(value, int | float):
        return f"the number {text_of(value)}"
    shown = repr(value)
    return f"the string {shown if len(shown) < 60 else shown[:56] + '…' + shown[0]}"


@dataclass
class Document:
    """The values of one or several TOML files, and the origin of each.

    `origins` maps the key of a value to ``jobs/a.toml:7`` or ``--set task.timeout``.
    """

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Key, str] = field(default_factory=dict)

    def where(self, key: Key) -> str:
        """Return the origin of a value, or of the nearest table that contains it."""
        for end in range(len(key), 0, -1):
            if key[:end] in self.origins:
                return self.origins[key[:end]]
        return self.name

    def set(self, assignment_key: str, text: str) -> None:
        """Overwrite one value, as ``--set task.timeout=5m`` does.

        The text is read as a TOML value if it is one, else as a string.

        Raises:
            InputError: the key is not a dotted key, or one of its tables is no table.
        """
        origin = f"--set {assignment_key}"
        path = _dotted(assignment_key)
        value, positions = _typed(text)
        table = self.data
        for depth, name in enumerate(path[:-1], 1):
            self.origins.setdefault(path[:depth], origin)
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise InputError(f"{origin}: {name!r} is not a table, it has no keys in it")
        table[path[-1]] = value
        self._forget(path)
        self.origins[path] = origin
        self.origins.update({(*path, *key): origin for key in positions})

    def overlay(self, upper: Document) -> None:
        """Override values by those of another document: merge tables, replace everything else."""
        self._merge(self.data, upper.data, (), upper)

    def _merge(
        self, lower: dict[str, Any], over: dict[str, Any], at: tuple[str, ...], upper: Document
    ) -> None:
        for name, value in over.items():
            path = (*at, name)
            if isinstance(value, dict) and isinstance(lower.get(name), dict):
                self.origins[path] = upper.where(path)
                self._merge(lower[name], value, path, upper)
                continue
            self._forget(path)
            lower[name] = copy.deepcopy(value)
            within = {k: v for k, v in upper.origins.items() if k[: len(path)] == path}
            self.origins.update(within)

    def _forget(self, path: Key) -> None:
        for key in [key for key in self.origins if key[: len(path)] == path]:
            del self.origins[key]


def read_document(path: Path, what: str) -> Document:
    """Read a TOML file; `what` is its kind in messages: ``bag``, ``site``.

    Raises:
        InputError: there is no such file, or it is not UTF-8 or not TOML; names the line.
    """
    shown = shown_path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        near = sorted(p.name for p in path.parent.glob("*.toml"))[:8] if is_dir(path.parent) else []
        listed = f"There are: {', '.join(near)}." if near else f"{path.parent} holds no .toml file."
        raise InputError(f"there is no {what} {shown}", hint=listed) from error
    except OSError as error:
        raise InputError(f"cannot read the {what} {shown}: {error.strerror}") from error
    try:
        text = raw.decode("utf-8-sig")  # some editors begin a file with a byte-order mark
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{shown}:{line}: not UTF-8, as TOML must be") from error
    return parse_document(text, shown)


def parse_document(text: str, name: str) -> Document:
    """Parse TOML text; `name` is its name in messages.

    Raises:
        InputError: the text is not TOML.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(_syntax_message(str(error), text, name)) from error
    positions = toml_positions.find_positions(text)
    origins = {key: f"{name}:{mark.line}" for key, mark in positions.items()}
    return Document(name, _with_text(data, (), positions), origins)


def shown_path(path: Path) -> str:
    """Return a path for messages: relative to the working directory, without line breaks."""
    with contextlib.suppress(ValueError):
        path = path.absolute().relative_to(Path.cwd())
    text = str(path)
    return text if text.isprintable() else repr(text)


def _syntax_message(message: str, text: str, name: str) -> str:
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if found is None:
        return f"{name}: not TOML: {message}"
    line = int(found[1]) if found[1] else len(text.rstrip("\n").splitlines())
    column = f", column {found[2]}" if found[2] else ", the end of the file"
    return f"{name}:{line}: not TOML: {message[: found.start()]}{column}"


def _dotted(key: str) -> tuple[str, ...]:
    try:
        table: Any = tomllib.loads(f"{key} = 0") if "\n" not in key and "=" not in key else {}
    except tomllib.TOMLDecodeError:
        table = {}
    path: tuple[str, ...] = ()
    while isinstance(table, dict) and len(table) == 1:
        name, table = next(iter(table.items()))
        path = (*path, name)
    if not path or table != 0:
        raise InputError(
            f"--set {key!r} is not a key", hint="Write --set task.timeout=5m, for example."
        )
    return path


def _typed(text: str) -> tuple[Any, dict[Key, Position]]:
    """Return the value, and the positions of what it contains."""
    try:
        data = tomllib.loads(f"v = {text}")
    except tomllib.TOMLDecodeError:
        return text, {}
    if data.keys() != {"v"}:  # the text has a line break and more keys
        return text, {}
    positions = toml_positions.find_positions(f"v = {text}")
    return _with_text(data, (), positions)["v"], {
        key[1:]: m for key, m in positions.items() if key[1:]
    }


def _with_text(value: Any, path: Key, positions: Mapping[Key, Position]) -> Any:
    """Return the value with its numbers, dates and times as the file writes them."""
    if isinstance(value, dict):
        return {name: _with_text(item, (*path, name), positions) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_text(item, (*path, n), positions) for n, item in enumerate(value)]
    if isinstance(value, str | bool):
        return value
    if isinstance(value, datetime.date | datetime.time):
        return positions[path].text
    written = WrittenInt(value) if isinstance(value, int) else WrittenFloat(value)
    written.text = positions[path].text
    return written
