"""Placeholders in a bag's texts: ``{field}``, ``{field.stem}``, ``{index}``; ``{{`` is a brace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from hpckit.errors import did_you_mean

#: What may follow a name: parts of a path, as pathlib has them.
PARTS = ("name", "parent", "stem", "suffix")
INDEX = "index"
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|\{|\}")


@dataclass(frozen=True)
class Hole:
    """One placeholder of a text."""

    name: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.part}" if self.part else self.name


@dataclass(frozen=True)
class Template:
    """A text with its placeholders taken apart."""

    text: str
    pieces: tuple[str | Hole, ...]

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The placeholders, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Hole))

    @property
    def alone(self) -> str:
        """The name of the placeholder that is the whole text, ``""`` where it is not so."""
        only = self.pieces[0] if len(self.pieces) == 1 else ""
        return only.name if isinstance(only, Hole) and not only.part else ""

    def fill(self, values: Mapping[Hole, str]) -> str:
        """Return the text with every placeholder replaced."""
        return "".join([p if isinstance(p, str) else values[p] for p in self.pieces])


def parse(text: str) -> Template:
    """Take a text apart.

    Raises:
        ValueError: a brace stands alone; says how to write braces.
    """
    pieces: list[str | Hole] = []
    literal, at = "", 0
    for token in _TOKEN.finditer(text):
        literal += text[at : token.start()]
        at = token.end()
        if token[0] in ("{{", "}}"):
            literal += token[0][0]
        elif token[1] is None:
            raise ValueError(f"has a lone {token[0]!r}; write {{{{ and }}}} for braces themselves")
        else:
            pieces += [literal] if literal else []
            literal = ""
            name, _, part = token[1].partition(".")
            pieces.append(Hole(name, part))
    literal += text[at:]
    return Template(text, (*pieces, literal) if literal or not pieces else tuple(pieces))


def complaint(hole: Hole, known: Iterable[str]) -> str:
    """Return what is wrong with a placeholder, given the known names; ``""`` if nothing."""
    names = list(known)
    if hole.name not in names:
        listed = ", ".join(f"{{{name}}}" for name in names)
        return (
            f"unknown placeholder {{{hole}}}; known: {listed}."
            f"{did_you_mean(hole.name, names)} Write {{{{ and }}}} for braces themselves."
        )
    if hole.part and hole.name == INDEX:
        return f"{{{hole}}}: {{index}} is a number, it has no parts"
    if hole.part and hole.part not in PARTS:
        listed = ", ".join(f"{{{hole.name}.{part}}}" for part in PARTS)
        return f"unknown placeholder {{{hole}}}; known: {listed}.{did_you_mean(hole.part, PARTS)}"
    return ""


def part_of(text: str, part: str) -> str:
    """Return one of the `PARTS` of a path."""
    return str(getattr(PurePosixPath(text), part))
