"""The output of commands: documents and tables on stdout, messages on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from hpckit.errors import HpckitError, StorageError

#: Rows that a table shows on a terminal before it says how to get all.
SCREEN_ROWS: Final = 40


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


def lines(texts: Iterable[str]) -> None:
    """Print lines of a command's result on stdout."""
    for text in texts:
        line(text)


def raw(text: str) -> None:
    """Print text as it is on stdout, with a line end if it lacks one."""
    _out(text if text.endswith("\n") or not text else text + "\n")


def note(text: str) -> None:
    """Print a message on stderr; if it cannot be written, nothing changes."""
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


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, most: int | None = None
) -> int:
    """Print a table on stdout (`hpckit.report.tables`); return how many rows `most` left out.

    Args:
        columns: the names; those of columns that are set to the right start with ``>``.
        rows: the cells.
        most: how many rows to show; None: all.
    """
    from hpckit.report.tables import table_lines

    every = iter(rows)
    width = shutil.get_terminal_size().columns if on_terminal() else None
    for text in table_lines(columns, islice(every, most), width=width):
        line(text)
    return sum(1 for _ in every)


def _out(text: str, *, flush: bool = False) -> None:
    """Write to stdout.

    Raises:
        BrokenPipeError: the reader of stdout has ended.
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
