"""``#SBATCH`` lines of a script, read as sbatch reads them.

Source: sbatch(1): the directives stand at the top, before the first line that is neither
comment nor white space; values may be quoted; a ``#`` after white space begins a comment.
"""

from __future__ import annotations

MAGIC = "#SBATCH"


class DirectiveError(Exception):
    """A directive line cannot be read."""


def words_of(script: str) -> list[tuple[int, list[str]]]:
    """Return the line number and the words of each ``#SBATCH`` line."""
    found = []
    for number, line in enumerate(script.split("\n"), start=1):
        if line.startswith(MAGIC) and line[len(MAGIC) : len(MAGIC) + 1] in ("", " ", "\t", "\r"):
            words = split(line[len(MAGIC) :])
            if words:
                found.append((number, words))
        elif line.strip() and not line.startswith("#"):
            break
    return found


def split(text: str) -> list[str]:
    """Return the words of a directive: quotes group, a backslash escapes, ``#`` comments.

    Raises:
        DirectiveError: a quote is not closed.
    """
    words: list[str] = []
    current: str | None = None
    quote = ""
    letters = iter(text)
    for char in letters:
        if char == "\\" and quote != "'":
            current = (current or "") + next(letters, "\\")
        elif char == quote:
            quote = ""
        elif quote or not _special(char, current):
            current = (current or "") + char
        elif char in "\"'":
            quote, current = char, current or ""
        elif char == "#":
            break
        elif current is not None:
            words.append(current)
            current = None
    if quote:
        raise DirectiveError(f"unmatched `{quote}` in [{text.strip()}]")
    return words if current is None else [*words, current]


def _special(char: str, current: str | None) -> bool:
    """Return True if a character outside quotes has a meaning: quote, white space or comment."""
    return char in "\"'" or char.isspace() or (char == "#" and current is None)
