"""Handle Ctrl-C and SIGTERM: choose the exit code, and say what goes on without this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from hpckit.cli import console

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM came; commands clean up on their way out."""


@contextmanager
def when_interrupted(words: Callable[[], str]) -> Iterator[None]:
    """Say `words` when the block is interrupted."""
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        terminal = sys.stderr.isatty()  # which shows ^C and stays in that line
        console.note(("\n" if terminal else "") + words())
        raise


def run_goes_on(run: str) -> AbstractContextManager[None]:
    """Say, when this command is interrupted, that the run is not, and how to come back."""
    return when_interrupted(
        lambda: (
            f"{run} goes on without this command; `hpckit wait {run}` follows it again, "
            f"`hpckit cancel {run}` ends it"
        )
    )
