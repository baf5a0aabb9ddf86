"""Rows of text laid out under their head."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines; a column whose name starts with ``>`` is set to the right."""
    names = [name.removeprefix(">") for name in head]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        placed = (
            cell.rjust(width) if name.startswith(">") else cell.ljust(width)
            for cell, width, name in zip(cells, widths, head, strict=True)
        )
        return "  ".join(placed).rstrip()

    return [line(names), line(["-" * width for width in widths]), *map(line, rows)]
