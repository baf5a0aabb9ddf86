"""Turn Typer's messages on a wrong command line into ones that say what to do."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import TyperException

_GROUPS = frozenset({"site", "emulate", "workers", "bench"})
#: Those behind whose ``--`` a command of the user stands.
TAKES_A_COMMAND = frozenset({"submit", "emulate shell"})


def explain(error: TyperException, argv: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a usage error."""
    text = error.format_message()
    if text.startswith("Usage: "):  # `hpckit` alone: Typer's error is the help itself
        yield text
        return
    command = command_of(argv)
    yield f"hpckit: {_plain(text)}"
    wrong_word = "unexpected extra argument" in text or "No such option" in text
    if wrong_word and command in TAKES_A_COMMAND and (meant := _program(argv, command)):
        yield f"  A command to run goes after --, such as: `hpckit {command} -- {meant}`."
    if "No such command" in text:
        command = command.rpartition(" ")[0]
    yield f"  See `{' '.join(('hpckit', *command.split(), '--help'))}`."


def _program(argv: Sequence[str], command: str) -> str:
    """Return what stands from the first program on, which may have been meant as the command."""
    words = list(argv[len(command.split()) :])
    for at, word in enumerate(words):
        if not word.startswith("-") and shutil.which(word):
            return shlex.join(words[at:])
    return ""


def command_of(argv: Sequence[str]) -> str:
    """Return the words of the command in `argv`: ``submit``, ``site show``."""
    words = argv[: 2 if argv[:1] and argv[0] in _GROUPS else 1]
    return " ".join(word for word in words if not word.startswith("-"))


def _plain(text: str) -> str:
    """Return the message as one sentence that begins with a small letter, without Typer's internal
    names."""
    first = text.replace("Value error, ", "").strip()
    return first[:1].lower() + first[1:]
