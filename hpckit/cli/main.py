"""The entry point: splits the command line, runs the command, turns errors into exit codes.

Exit codes: 0 well; 1 the run ended with failed tasks; 2 wrong usage or input; 3 the scheduler,
an engine or storage failed; 130 and 143 interrupted.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from hpckit.cli import say
from hpckit.errors import HpckitError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM came; commands clean up on their way out."""


def split_command(argv: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Split at the first ``--``: what is ours, and a command that is left as it stands.

    The command is None where there is no ``--``. Typer would take its first words for ours.
    """
    if "--" not in argv:
        return list(argv), None
    at = list(argv).index("--")
    return list(argv[:at]), list(argv[at + 1 :])


def run(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    from typer import Abort, TyperException

    from hpckit.cli.app import app

    ours, command = split_command(argv)
    try:
        code = app(args=ours, prog_name="hpckit", standalone_mode=False, obj=command)
    except Abort:
        return EXIT_INTERRUPTED
    except TyperException as error:  # usage: an unknown option, a value that is not allowed
        say.note(f"hpckit: {error.format_message()}")
        say.note(f"  Try 'hpckit {_command_of(ours)}--help'.")
        return EXIT_USAGE
    except HpckitError as error:
        say.error(error)
        return error.exit_code
    except BrokenPipeError:  # `hpckit list | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Terminated:
        return EXIT_TERMINATED
    return code if isinstance(code, int) else 0


def _command_of(argv: Sequence[str]) -> str:
    """Return the words of the command in `argv`, each with a space behind it."""
    groups = {"site", "emulate"}
    words = [word for word in argv[: 2 if argv[:1] and argv[0] in groups else 1] if word[0] != "-"]
    return "".join(f"{word} " for word in words)


def main() -> None:
    """Run `sys.argv`; what the ``hpckit`` executable calls."""

    def terminate(_signum: int, _frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    sys.exit(run(sys.argv[1:]))
