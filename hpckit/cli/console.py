"""The output of commands: documents and tables on stdout, messages on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import islice, zip_longest
from textwrap import wrap
from typing import Any, Final

from hpckit.errors import HpckitError, StorageError

#: Rows that a table shows on a terminal before it says how to get all.
SCREEN_ROWS: Final = 40
_GAP: Final = "  "
_MIN_WIDTH: Final = 16  # to which a long column is folded on a narrow terminal
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def document(body: dict[str, Any]) -> None:
    """Print the one JSON document of ``--json``."""
    text = json.dumps(body, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = json.dumps(body, indent=2)
    _out(text + "\n")


def line(text: str) -> None:
    """Print one line of a command's result on stdout."""
    _out(text + "\n")


def raw(text: str) -> None:
    """Print text as it is on stdout, with a line end if it lacks one."""
    _out(text if text.endswith("\n") or not text else text + "\n")


def note(text: str) -> None:
    """Print a message on stderr; that nobody can read it changes nothing."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - here is the place that prints


def notes(*texts: str) -> None:
    """Print messages on stderr; empty ones are left out."""
    for text in filter(None, texts):
        note(text)


def error(found: HpckitError) -> None:
    """Print an error, red on a terminal: what was found, and what to do next."""
    colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    red, plain = (
        ("\x1b[31m", "\x1b[0m") if colours and os.environ.get("TERM") != "dumb" else ("", "")
    )
    note(f"{red}hpckit: {found.message}{plain}")
    for text in found.hint.splitlines():
        note(f"  {text}")


def on_terminal() -> bool:
    """Return True if a person reads stdout."""
    return sys.stdout.isatty()


def flush() -> None:
    """Let what was printed reach its reader, so that a failure shows here and not at exit."""
    _out("", flush=True)


def one_line(value: object) -> str:
    """Return a value as one line that leaves a terminal as it is: no control characters."""
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, most: int | None = None
) -> int:
    """Print a table on stdout; return how many rows `most` left out.

    A column whose name starts with ``>`` is set to the right. A row is a line, except on a
    terminal that is too narrow for it, where long cells are folded.

    Args:
        columns: the names.
        rows: the cells.
        most: how many rows to show; None: all.
    """
    every = iter(rows)
    shown = [[one_line(value) for value in row] for row in islice(every, most)]
    names = [name.removeprefix(">") for name in columns]
    widths = [max(map(len, column)) for column in zip(names, *shown, strict=True)]
    if on_terminal():
        widths = fitted(widths, shutil.get_terminal_size().columns)
    rule = ["─" * width for width in widths]
    for cells in (names, rule, *shown):
        folded = zip(cells, widths, strict=True)
        parts = (wrap(c, w) if len(c) > w else [c] for c, w in folded)
        for texts in zip_longest(*parts, fillvalue=""):
            placed = (
                text.rjust(width) if name.startswith(">") else text.ljust(width)
                for text, width, name in zip(texts, widths, columns, strict=True)
            )
            line(_GAP.join(placed).rstrip())
    return sum(1 for _ in every)


def fitted(widths: Sequence[int], room: int) -> list[int]:
    """Return widths that fit into `room`, as far as folding what is long can make them.

    The first column stays: it holds the names that one copies.
    """
    found = list(widths)
    while (over := sum(found) + len(_GAP) * (len(found) - 1) - room) > 0:
        widest = max(range(1, len(found)), key=found.__getitem__, default=0)
        if widest == 0 or found[widest] <= _MIN_WIDTH:
            break
        found[widest] -= min(over, found[widest] - _MIN_WIDTH)
    return found


def _out(text: str, *, flush: bool = False) -> None:
    """Write to stdout.

    Raises:
        BrokenPipeError: nobody reads on.
        StorageError: it cannot be written otherwise: a full disk, say.
    """
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except OSError as error:
        raise StorageError(f"cannot write to stdout: {error.strerror}") from error
