"""The errors that hpckit raises on purpose.

Each says what was found, what was needed and what to do next. All derive from
`HpckitError`; the command line prints them in one place (`hpckit.cli.main`) and
exits with the class's `exit_code`. A traceback reaches a user only for a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HpckitError(Exception):
    """Base of all errors that hpckit raises on purpose.

    Args:
        message: what was found and what was needed, in one or two lines.
        hint: what to do next; printed on a line of its own.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InputError(HpckitError):
    """A bag, a site, an option or the name of a run that the user gave cannot be used."""

    exit_code = 2


class RunExistsError(InputError):
    """A run of that name exists already."""


class SchedulerError(HpckitError):
    """Slurm (or the emulator) refused, failed or cannot be reached."""


class EngineError(HpckitError):
    """An engine or a connection that a run needs is missing, did not start, or was lost."""


class StorageError(HpckitError):
    """A directory or file cannot be written, read or trusted: no space, read-only, damaged."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'perlmutter'?"`` if one of `known` is similar, else ``""``."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
