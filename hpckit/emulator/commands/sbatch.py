"""sbatch: read options, environment and directives, and send the script to the daemon.

Source: sbatch(1). Precedence: command line, then ``SBATCH_*``, then ``#SBATCH`` lines.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from hpckit.emulator import protocol
from hpckit.emulator.commands import client, directives, options
from hpckit.emulator.commands.getopt import Parser, UsageError, convert

NAME = "sbatch"


def main(state_dir: str, words: list[str]) -> int:
    """Run sbatch; return its exit code."""
    try:
        return _submit(state_dir, words)
    except UsageError as error:
        client.complain(NAME, str(error))
        if not str(error).startswith(("error", "fatal")):
            sys.stderr.write('Try "sbatch --help" for more information\n')
        return error.exit_code
    except client.ControllerError as error:
        if "--test-only" in words:
            sys.stderr.write(f"allocation failure: {error.text.splitlines()[-1]}\n")
            return 1
        if error.code == "gres":
            client.complain(NAME, f"error: {error.text}")
            return 1
        prefix = "Batch job submission failed"
        for line in error.text.splitlines()[:-1]:
            client.complain(NAME, f"error: {line}")
        client.complain(NAME, f"error: {prefix}: {error.text.splitlines()[-1]}")
        return 1


def _submit(state_dir: str, words: list[str]) -> int:
    parser = Parser(NAME, options.table(NAME), options.refused(NAME))
    line, rest = parser.parse(words)
    chosen = {option.long: convert(NAME, option, value) for option, value in line}
    if "version" in chosen:
        sys.stdout.write(client.VERSION + "\n")
        return 0
    if "help" in chosen or "usage" in chosen:
        sys.stdout.write(_help())
        return 0
    script, command = _script(chosen, rest)
    from_script = _directives(parser, script)
    merged = {**from_script, **_environment(), **chosen}
    merged = _last_wins(merged, chosen)
    message = _message(merged, script, command, rest)
    message["submit_line"] = " ".join([NAME, *words])
    if "export-file" in merged:
        message["env"] |= _export_file(str(merged["export-file"]))
    if "test-only" in merged:
        return _test_only(state_dir, message)
    return _send(state_dir, message, merged)


def _last_wins(merged: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """Drop options that one of higher precedence excludes."""
    if "mem" in chosen and "mem-per-cpu" in chosen:
        raise UsageError("fatal: --mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive.")
    for one, other in (("requeue", "no-requeue"), ("mem", "mem-per-cpu")):
        if one in merged and other in merged:
            merged.pop(other if one in chosen else one)
    nodes, tasks = merged.get("nodes"), merged.get("ntasks")
    if nodes and tasks and nodes[0] > tasks and "nodelist" not in merged:
        client.complain(NAME, f"Warning: can't run {tasks} processes on {nodes[0]} nodes, "
                              f"setting nnodes to {tasks}")  # fmt: skip
        merged["nodes"] = [tasks, tasks]
    return merged


def _script(chosen: dict[str, Any], rest: list[str]) -> tuple[str, str]:
    """Return the script's text and the path it came from ('' for stdin and ``--wrap``)."""
    if "wrap" in chosen:
        if rest:
            raise UsageError("error: Script arguments not permitted with --wrap option")
        wrapped = chosen["wrap"]
        return f"#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{wrapped}\n", ""
    if rest:
        path = _locate(rest[0])
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                data = file.read()
        except OSError as error:
            raise UsageError(f"error: Unable to open file {rest[0]}") from error
    else:
        path, data = "", sys.stdin.buffer.read()
    return _checked(data), path


def _checked(data: bytes) -> str:
    if not data:
        raise UsageError("error: Batch script is empty!")
    if not data.strip():
        raise UsageError("error: Batch script contains only whitespace!")
    if not data.startswith(b"#!"):
        raise UsageError(
            "error: This does not look like a batch script.  The first\n"
            "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
            "sbatch: error: For instance: #!/bin/sh"
        )
    if b"\0" in data:
        raise UsageError("error: The SLURM controller does not allow scripts that\n"
                         "sbatch: error: contain a NULL character '\\0'.")  # fmt: skip
    if b"\r\n" in data:
        raise UsageError("error: Batch script contains DOS line breaks (\\r\\n)\n"
                         "sbatch: error: instead of expected UNIX line breaks (\\n).")  # fmt: skip
    return data.decode(errors="surrogateescape")


def _locate(name: str) -> str:
    if "/" not in name and not os.path.exists(name):  # noqa: PTH110
        for directory in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(directory, name)  # noqa: PTH118
            if os.path.isfile(path) and os.access(path, os.R_OK):  # noqa: PTH113
                return path
    return os.path.abspath(name)  # noqa: PTH100


def _directives(parser: Parser, script: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    try:
        for _number, words in directives.words_of(script):
            pairs, rest = parser.parse(words)
            if rest:
                raise UsageError(f"error: Invalid directive found in batch script: {rest[0]}")
            for option, value in pairs:
                found[option.long] = convert(NAME, option, value)
    except directives.DirectiveError as error:
        raise UsageError(f"error: {error}") from None
    return found


def _environment() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in options.table(NAME):
        name = options.environment_name(option, NAME)
        if name and name in os.environ:
            value = os.environ[name]
            if option.argument == options.NONE and value.lower() in ("0", "no", "false"):
                continue
            found[option.long] = convert(NAME, option, value)
    return found


def _message(merged: dict[str, Any], script: str, command: str, rest: list[str]) -> dict[str, Any]:
    unnamed = "wrap" if "wrap" in merged else "sbatch"
    name = command.rpartition("/")[2] if command else unnamed
    return {
        "op": "submit", "options": merged, "script": script, "command": command,
        "arguments": rest[1:], "default_name": name, **client.submitter(),
    }  # fmt: skip


def _export_file(name: str) -> dict[str, str]:
    if name.isdigit():
        with open(int(name), "rb") as file:  # noqa: PTH123
            data = file.read()
    else:
        with open(name, "rb") as file:  # noqa: PTH123
            data = file.read()
    pairs = (word.partition("=") for word in os.fsdecode(data).split("\0") if "=" in word)
    return {key: value for key, _, value in pairs}


def _test_only(state_dir: str, message: dict[str, Any]) -> int:
    message["op"] = "test_only"
    found = client.ask(state_dir, message)
    client.complain(NAME, f"Job {found['job_id']} to start at {found['start']} using "
                          f"{found['cpus']} processors on nodes {found['nodes']} "
                          f"in partition {found['partition']}")  # fmt: skip
    return 0


def _send(state_dir: str, message: dict[str, Any], merged: dict[str, Any]) -> int:
    message["follow"] = "wait" in merged
    sock = client.connect(state_dir)
    inbox = protocol.Inbox()
    protocol.send(sock, message)
    try:
        reply = client.checked(state_dir, protocol.receive(sock, inbox))
        if "parsable" in merged:
            sys.stdout.write(f"{reply['job_id']}\n")
        elif "quiet" not in merged:
            sys.stdout.write(f"Submitted batch job {reply['job_id']}\n")
        sys.stdout.flush()
        if not message["follow"]:
            return 0
        return int(client.checked(state_dir, protocol.receive(sock, inbox))["exit"])
    except protocol.Closed:
        raise client.ControllerError(
            "unreachable", "Zero Bytes were transmitted or received"
        ) from None


def _help() -> str:
    lines = ["Usage: sbatch [OPTIONS(0)...] [ : [OPTIONS(N)...]] script(0) [args(0)...]", ""]
    for option in options.table(NAME):
        short = f"-{option.short}, " if option.short else "    "
        value = {options.NONE: "", options.REQUIRED: "=VALUE", options.OPTIONAL: "[=VALUE]"}
        lines.append(f"  {short}--{option.long}{value[option.argument]}  {option.meaning}".rstrip())
    return "\n".join(lines) + "\n"
