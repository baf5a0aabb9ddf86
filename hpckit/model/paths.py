"""Paths that people give: relative ones become absolute; and whether something lies there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache


def absolute(base: str, path: str) -> str:
    """Return `path`, from `base` where it is relative, without ``.``, ``..`` and ``//``.

    ``link/..`` is where the file system says it is, not where the text suggests.
    """
    joined = os.path.join(base, path)  # noqa: PTH118
    head, dots, rest = joined.rpartition("/..")
    if dots and (not rest or rest[0] == "/"):
        joined = _real(head + dots) + rest
    return os.path.normpath(joined)


def program(base: str, word: str) -> str:
    """Return a command's first word: a path from `base` if it has a slash, else for PATH."""
    return absolute(base, word) if "/" in word else word


def whole_paths(paths: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds these paths in a text where nothing goes on before or after.

    ``/d/a`` is not meant by ``/d/a.log`` nor by ``-o/d/a``, but it is by ``--to=/d/a``.
    """
    longest_first = sorted(paths, key=len, reverse=True)
    any_of_them = "|".join(map(re.escape, longest_first))
    return re.compile(rf"(?<![\w./-])(?:{any_of_them})(?![\w.-])")


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a file lies there, as far as we may know; pathlib raises where we may not."""
    return os.path.isfile(path)  # noqa: PTH113


def is_dir(path: str | os.PathLike[str]) -> bool:
    """Return whether a directory lies there, as far as we may know."""
    return os.path.isdir(path)  # noqa: PTH112


def path_exists(path: str | os.PathLike[str]) -> bool:
    """Return whether anything lies there, as far as we may know."""
    return os.path.exists(path)  # noqa: PTH110


@lru_cache(maxsize=1024)
def _real(path: str) -> str:
    return os.path.realpath(path)
