"""Tables as text: for a terminal laid out by rich, for a pipe one line a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Final

from rich.cells import cell_len, set_cell_size

_GAP: Final = "  "
_MIN_WIDTH: Final = 16  # to which a long column is folded on a narrow terminal
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: The lines of a rich Box with a rule below the names, and nothing else.
_RULE: Final = "    \n    \n ── \n    \n    \n    \n    \n    \n"


def one_line(value: object) -> str:
    """Return a value as one line that leaves a terminal as it is: no control characters."""
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def table_lines(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, width: int | None = None
) -> Iterator[str]:
    """Yield the lines of a table. A column whose name starts with ``>`` is set to the right.

    Args:
        columns: the names.
        rows: the cells.
        width: of the terminal, in which long cells are folded; the first column stays, since it
            holds the names that one copies. None: a row is one line, however long, which
            programs can read, and a hundred thousand rows take a second.
    """
    cells = [[one_line(value) for value in row] for row in rows]
    lines = _plain(columns, cells) if width is None else _folded(columns, cells, width)
    yield from (line.rstrip() for line in lines)


def _plain(columns: Sequence[str], rows: list[list[str]]) -> Iterator[str]:
    names = [name.removeprefix(">") for name in columns]
    widths = [max(map(cell_len, column)) for column in zip(names, *rows, strict=True)]
    for cells in (names, ["─" * width for width in widths], *rows):
        yield _GAP.join(
            " " * (width - cell_len(cell)) + cell if name[:1] == ">" else set_cell_size(cell, width)
            for cell, width, name in zip(cells, widths, columns, strict=True)
        )


def _folded(columns: Sequence[str], rows: list[list[str]], width: int) -> list[str]:
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=Box(_RULE), show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(columns):
        text = name.removeprefix(">")
        longest = max(cell_len(cell) for cell in (text, *(row[number] for row in rows)))
        table.add_column(
            Text(text),
            header_style="",
            justify="right" if name[:1] == ">" else "left",
            overflow="fold",
            no_wrap=number == 0,
            min_width=min(_MIN_WIDTH, longest),
        )
    for row in rows:
        table.add_row(*map(Text, row))
    page = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False)
    page.print(table, crop=False)
    text = page.file.getvalue()  # type: ignore[attr-defined]
    return [line for line in str(text).split("\n") if line]
