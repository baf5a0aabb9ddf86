"""Make the paths that users write absolute, and test what exists at a path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache


def absolute(base: str, path: str) -> str:
    """Return an absolute path without ``.``, ``..`` and ``//``; relative ones start at `base`.

    ``link/..`` is resolved by the file system, because the link may lead elsewhere.
    """
    joined = os.path.join(base, path)  # noqa: PTH118
    head, dots, rest = joined.rpartition("/..")
    if dots and (not rest or rest[0] == "/"):
        joined = _real(head + dots) + rest
    return os.path.normpath(joined)


def program(base: str, word: str) -> str:
    """Return the first word of a command: absolute if it has a slash, else a name on PATH."""
    return absolute(base, word) if "/" in word else word


def whole_paths(paths: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds these paths in a text, but not as parts of longer words.

    ``/d/a`` is found in ``--to=/d/a``, but not in ``/d/a.log`` or ``-o/d/a``.
    """
    longest_first = sorted(paths, key=len, reverse=True)
    any_of_them = "|".join(map(re.escape, longest_first))
    return re.compile(rf"(?<![\w./-])(?:{any_of_them})(?![\w.-])")


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return True if a file is there; False if it cannot be seen, where pathlib would raise."""
    return os.path.isfile(path)  # noqa: PTH113


def is_dir(path: str | os.PathLike[str]) -> bool:
    """Return True if a directory is there; False if it cannot be seen."""
    return os.path.isdir(path)  # noqa: PTH112


def path_exists(path: str | os.PathLike[str]) -> bool:
    """Return True if anything is there; False if it cannot be seen."""
    return os.path.exists(path)  # noqa: PTH110


@lru_cache(maxsize=1024)
def _real(path: str) -> str:
    return os.path.realpath(path)
