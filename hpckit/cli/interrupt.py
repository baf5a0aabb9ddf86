"""What happens on Ctrl-C and SIGTERM: the exit code, and a word on what goes on without us."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hpckit.cli import say

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM came; commands clean up on their way out."""


@contextmanager
def run_goes_on(run: str) -> Iterator[None]:
    """Say, when this command is interrupted, that the run is not, and how to come back."""
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        say.note(
            f"{line_end()}{run} goes on without this command; `hpckit wait {run}` follows it "
            f"again, `hpckit cancel {run}` ends it"
        )
        raise


def line_end() -> str:
    """Return what a terminal needs after the ^C that it shows."""
    return "\n" if sys.stderr.isatty() else ""
