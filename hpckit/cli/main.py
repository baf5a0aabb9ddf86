"""The entry point: splits the command line, runs the command, turns errors into exit codes.

Exit codes: 0 well; 1 the run ended with failed tasks; 2 wrong usage or input; 3 the scheduler,
an engine or storage failed, or hpckit has a bug; 130 and 143 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hpckit.cli import console
from hpckit.cli.interrupts import EXIT_INTERRUPTED, EXIT_TERMINATED, Terminated
from hpckit.cli.usage_errors import TAKES_A_COMMAND, command_of, explain
from hpckit.errors import HpckitError

EXIT_USAGE = 2
EXIT_TROUBLE = 3
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def split_command(argv: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Split at the first ``--``: what is ours, and a command that is left as it stands.

    The command is None where there is no ``--``, or where what follows are arguments of ours.
    Typer would take its first words for ours.
    """
    if "--" not in argv or command_of(argv) not in TAKES_A_COMMAND:
        return list(argv), None
    at = list(argv).index("--")
    return list(argv[:at]), list(argv[at + 1 :])


def run(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    try:
        code = _at_the_boundary(lambda: _run_app(argv))
        return code or _at_the_boundary(_flushed)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Terminated:
        return EXIT_TERMINATED


def _at_the_boundary(act: Callable[[], int]) -> int:
    """Call `act`; turn what it raises into a message and an exit code."""
    try:
        return act()
    except HpckitError as error:
        _spare_stdout()
        console.error(error)
        return type(error).exit_code  # a failed Slurm command has one of its own
    except BrokenPipeError:  # `hpckit list | head`
        _spare_stdout()
        return 0
    except Exception as error:
        if isinstance(error, FileNotFoundError) and not _here():
            console.note("hpckit: the directory that you are in was removed; change to another")
            return EXIT_USAGE
        works = _spare_stdout()
        if isinstance(error, OSError) and (error.errno in _DISK_FULL or not works):
            console.note(f"hpckit: cannot write to {error.filename or 'stdout'}: {error.strerror}")
            return EXIT_TROUBLE
        import traceback

        traceback.print_exc()
        console.note("hpckit: this is a bug of hpckit; please report it with the lines above")
        return EXIT_TROUBLE


def _run_app(argv: Sequence[str]) -> int:
    from typer import Abort, TyperException

    from hpckit.cli.app import app

    ours, command = split_command(argv)
    try:
        code = app(args=ours, prog_name="hpckit", standalone_mode=False, obj=command)
    except Abort:
        return EXIT_INTERRUPTED
    except SystemExit as error:  # Typer's way out when nobody reads on
        raise BrokenPipeError from error
    except TyperException as error:  # usage: an unknown option, a value that is not allowed
        for text in explain(error, ours):
            console.note(text)
        return EXIT_USAGE
    return code if isinstance(code, int) else 0


def _here() -> bool:
    """Return True if the working directory exists."""
    try:
        return bool(Path.cwd())
    except FileNotFoundError:
        return False


def _flushed() -> int:
    console.flush()
    return 0


def _spare_stdout() -> bool:
    """Return whether stdout can be written; if not, leave nothing for Python to try at its end."""
    try:
        sys.stdout.flush()
    except ValueError:  # closed
        return False
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # it may be no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def main() -> NoReturn:
    """Run `sys.argv`; what the ``hpckit`` executable calls."""

    def terminate(_signum: int, _frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller, as cron may: `hpckit list >&-`
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - it stays open
    sys.exit(run(sys.argv[1:]))
