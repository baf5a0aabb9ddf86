"""Placeholders in a bag's texts: ``{field}``, ``{field.stem}``, ``{index}``; ``{{`` is a brace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from hpckit.errors import did_you_mean

#: The parts of a path that may follow a name, as pathlib calls them.
PARTS = ("name", "parent", "stem", "suffix")
INDEX = "index"
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|\{|\}")


@dataclass(frozen=True)
class Placeholder:
    """One placeholder of a text."""

    name: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.part}" if self.part else self.name


@dataclass(frozen=True)
class Template:
    """A text, split into its placeholders and the pieces between them."""

    text: str
    pieces: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The placeholders, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Placeholder))

    @property
    def sole_name(self) -> str:
        """The placeholder's name if the text is one placeholder without a part, else ``""``."""
        only = self.pieces[0] if len(self.pieces) == 1 else ""
        return only.name if isinstance(only, Placeholder) and not only.part else ""

    def fill(self, values: Mapping[Placeholder, str]) -> str:
        """Return the text with every placeholder replaced."""
        return "".join([p if isinstance(p, str) else values[p] for p in self.pieces])


def parse(text: str) -> Template:
    """Split a text at its placeholders.

    Raises:
        ValueError: a single brace is no part of a placeholder; the message says how to write it.
    """
    pieces: list[str | Placeholder] = []
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
            pieces.append(Placeholder(name, part))
    literal += text[at:]
    return Template(text, (*pieces, literal) if literal or not pieces else tuple(pieces))


def placeholder_error(placeholder: Placeholder, known: Iterable[str]) -> str:
    """Return what is wrong with a placeholder, given the known names; ``""`` if nothing."""
    names = list(known)
    if placeholder.name not in names:
        listed = ", ".join(f"{{{name}}}" for name in names)
        return (
            f"unknown placeholder {{{placeholder}}}; known: {listed}."
            f"{did_you_mean(placeholder.name, names)} Write {{{{ and }}}} for braces themselves."
        )
    if placeholder.part and placeholder.name == INDEX:
        return f"{{{placeholder}}}: {{index}} is a number, it has no parts"
    if placeholder.part and placeholder.part not in PARTS:
        listed = ", ".join(f"{{{placeholder.name}.{part}}}" for part in PARTS)
        hint = did_you_mean(placeholder.part, PARTS)
        return f"unknown placeholder {{{placeholder}}}; known: {listed}.{hint}"
    return ""


def part_of(text: str, part: str) -> str:
    """Return one of the `PARTS` of a path."""
    return str(getattr(PurePosixPath(text), part))
