"""How commands speak: documents and tables on stdout, messages on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from hpckit.errors import HpckitError

# ruff: noqa: T201 - this is the place that prints


def document(body: dict[str, Any]) -> None:
    """Print the one JSON document of ``--json``."""
    print(json.dumps(body, indent=2, ensure_ascii=False))


def line(text: str) -> None:
    """Print one line of a command's result on stdout."""
    print(text)


def raw(text: str) -> None:
    """Print text as it is on stdout, with a line end if it lacks one."""
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")


def note(text: str) -> None:
    """Print a message on stderr."""
    print(text, file=sys.stderr, flush=True)


def error(found: HpckitError) -> None:
    """Print an error, red on a terminal: what was found, and what to do next."""
    red, plain = ("\x1b[31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    print(f"{red}hpckit: {found.message}{plain}", file=sys.stderr)
    if found.hint:
        print(f"  {found.hint}", file=sys.stderr)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print a table on stdout; a column whose name starts with ``>`` is set to the right.

    On a terminal it fits the width; elsewhere nothing is cut.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in columns:
        justify: Any = "right" if name.startswith(">") else "left"
        drawn.add_column(name.removeprefix(">"), justify=justify, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 10_000, soft_wrap=not terminal)
    with console.capture() as captured:
        console.print(drawn)
    for text in captured.get().splitlines():
        if text.strip():
            line(text.rstrip())


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
