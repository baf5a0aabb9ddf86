"""A small getopt_long: short clusters, ``--name=value``, unique prefixes, stop at the first word.

Slurm's commands use glibc's getopt_long with "+"; argparse differs in all of these and costs
15 ms to import. Messages follow glibc's (``sbatch: unrecognized option '--foo'``).
"""

from __future__ import annotations

from collections.abc import Sequence

from hpckit.emulator.commands.options import NONE, REQUIRED, Option, unknown_hint


class UsageError(Exception):
    """The command line cannot be used; the text is the message of Slurm's command."""

    @property
    def exit_code(self) -> int:
        """The exit code of sbatch and srun: 255 for an error in their option table, else 1."""
        text = str(self)
        table = text.startswith("error: Invalid --") or "Invalid directive" in text
        return 255 if table or not text.startswith(("error", "fatal")) else 1


class Parser:
    """Reads argument lists against a table of options.

    Args:
        command: the name that prefixes messages.
        options: the supported options.
        refused: the options that are refused by name.
    """

    def __init__(
        self, command: str, options: Sequence[Option], refused: Sequence[Option] = ()
    ) -> None:
        self.command = command
        self.options = {option.long: option for option in options}
        self.refused = {option.long: option for option in refused}
        self.all = {**self.refused, **self.options}
        self.short = {option.short: option for option in (*refused, *options) if option.short}

    def parse(
        self, words: Sequence[str], *, permute: bool = False
    ) -> tuple[list[tuple[Option, str]], list[str]]:
        """Return the options with their values, in order, and all other words.

        With `permute`, options may follow words (as squeue and scancel allow).

        Raises:
            UsageError: an option is unknown, ambiguous, refused, or lacks its argument.
        """
        found: list[tuple[Option, str]] = []
        rest: list[str] = []
        queue = list(words)
        while queue:
            word = queue.pop(0)
            if word == "--":
                return found, rest + queue
            if word.startswith("--"):
                found.append(self._long(word[2:], queue))
            elif word.startswith("-") and word != "-":
                found += self._cluster(word[1:], queue)
            elif permute:
                rest.append(word)
            else:
                return found, [word, *queue]
        return found, rest

    def _long(self, text: str, queue: list[str]) -> tuple[Option, str]:
        name, equals, value = text.partition("=")
        option = self._resolve(name, text)
        if option.argument == NONE:
            if equals:
                raise UsageError(f"option '--{option.long}' doesn't allow an argument")
            return self._admit(option, "")
        if option.argument == REQUIRED and not equals:
            if not queue:
                raise UsageError(f"option '--{option.long}' requires an argument")
            value = queue.pop(0)
        return self._admit(option, value)

    def _resolve(self, name: str, text: str) -> Option:
        if name in self.all:
            return self.all[name]
        near = [option for long, option in self.all.items() if long.startswith(name) and name]
        if len(near) == 1:
            return near[0]
        if near:
            words = " ".join(f"'--{option.long}'" for option in near)
            raise UsageError(f"option '--{name}' is ambiguous; possibilities: {words}")
        raise UsageError(f"unrecognized option '--{text}'")

    def _cluster(self, text: str, queue: list[str]) -> list[tuple[Option, str]]:
        found = []
        while text:
            letter, text = text[0], text[1:]
            option = self.short.get(letter)
            if option is None:
                raise UsageError(f"invalid option -- '{letter}'")
            if option.argument == NONE:
                found.append(self._admit(option, ""))
                continue
            value, text = text, ""
            if option.argument == REQUIRED and not value:
                if not queue:
                    raise UsageError(f"option requires an argument -- '{letter}'")
                value = queue.pop(0)
            found.append(self._admit(option, value.removeprefix("=") if value else value))
        return found

    def _admit(self, option: Option, value: str) -> tuple[Option, str]:
        if option.long in self.refused and option.long not in self.options:
            raise UsageError(
                f"error: --{option.long} is not supported by hpckit's emulated Slurm; "
                "remove it, or run on a real Slurm"
            )
        return option, value


def convert(command: str, option: Option, value: str) -> object:
    """Return the checked value of an option: True for flags.

    Raises:
        UsageError: with Slurm's kind of message, such as ``Invalid --time specification``.
    """
    if option.argument == NONE:
        return True
    try:
        return option.check(value)
    except ValueError:
        raise UsageError(f"error: {_complaint(option, value)}") from None


def _complaint(option: Option, value: str) -> str:
    special = {
        "time": "Invalid --time specification",
        "nodes": f'"{value}" is not a valid node count',
        "ntasks": f'Invalid numeric value "{value}" for --ntasks.',
        "cpus-per-task": f'Invalid numeric value "{value}" for --cpus-per-task.',
        "ntasks-per-node": f'Invalid numeric value "{value}" for --ntasks-per-node.',
        "mem": "Invalid --mem specification",
        "mem-per-cpu": "Invalid --mem-per-cpu specification",
        "signal": "Invalid --signal specification",
        "open-mode": "Invalid --open-mode specification",
        "exclusive": "Invalid --exclusive specification",
        "hint": f'unrecognized --hint argument "{unknown_hint(value)}", see --hint=help',
    }
    return special.get(option.long, f"Invalid --{option.long} specification")
