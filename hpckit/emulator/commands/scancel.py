"""scancel: end or signal jobs and steps. Source: scancel(1)."""

from __future__ import annotations

import os
import sys
from typing import Any

from hpckit.emulator.commands import client
from hpckit.emulator.commands.getopt import Parser, UsageError, convert
from hpckit.emulator.commands.options import NONE, Option
from hpckit.emulator.core import hostlist, signals

NAME = "scancel"
_TABLE = (
    Option("account", "A"), Option("batch", "b", NONE), Option("ctld", argument=NONE),
    Option("full", "f", NONE), Option("hurry", "H", NONE), Option("jobname", "n"),
    Option("name", "n"), Option("nodelist", "w"), Option("partition", "p"),
    Option("quiet", "Q", NONE), Option("qos", "q"), Option("signal", "s", check=signals.number),
    Option("state", "t"), Option("user", "u"), Option("me", argument=NONE),
    Option("verbose", "v", NONE), Option("version", "V", NONE), Option("help", argument=NONE),
)  # fmt: skip
_REFUSED = (
    Option("interactive", "i", NONE), Option("reservation", "R"), Option("wckey"),
    Option("clusters", "M"), Option("sibling"),
)  # fmt: skip
_STATES = {"PD": "PENDING", "R": "RUNNING", "S": "SUSPENDED", "CG": "COMPLETING"}


def main(state_dir: str, words: list[str]) -> int:
    """Run scancel; return its exit code."""
    try:
        found, jobs = Parser(NAME, _TABLE, _REFUSED).parse(words, permute=True)
        chosen = {option.long: convert(NAME, option, value) for option, value in found}
    except UsageError as error:
        client.complain(NAME, str(error))
        sys.stderr.write('Try "scancel --help" for more information\n')
        return 1
    if "help" in chosen:
        names = "\n".join(f"  --{option.long}" for option in _TABLE)
        sys.stdout.write(f"Usage: scancel [OPTIONS] [job_id[_array_id][.step_id]]\n{names}\n")
        return 0
    if "version" in chosen:
        sys.stdout.write(client.VERSION + "\n")
        return 0
    filters = _filters(chosen)
    if not jobs and not filters:
        client.complain(NAME, "error: No job identification provided")
        return 1
    for job in jobs:
        if not job[:1].isdigit():
            client.complain(NAME, f"error: Invalid job id {job}")
            return 1
    message = {
        "op": "cancel", "jobs": [part for job in jobs for part in _split(job)],
        "filters": filters, "signal": chosen.get("signal", 0),
        "batch": "batch" in chosen, "full": "full" in chosen, "uid": os.getuid(),
    }  # fmt: skip
    try:
        reply = client.ask(state_dir, message)
    except client.ControllerError as error:
        client.complain(NAME, f"error: {error.text}")
        return 1
    return _report(reply, chosen)


def _split(text: str) -> list[str]:
    return [word for word in hostlist._split(text) if word]


def _filters(chosen: dict[str, Any]) -> dict[str, list[str]]:
    filters: dict[str, list[str]] = {}
    for name in ("account", "name", "partition", "qos", "user", "state", "jobname"):
        if name in chosen:
            filters["name" if name == "jobname" else name] = str(chosen[name]).split(",")
    if "state" in filters:
        filters["state"] = [_STATES.get(s.upper(), s.upper()) for s in filters["state"]]
    if "nodelist" in chosen:
        filters["nodelist"] = hostlist.expand(str(chosen["nodelist"]))
    if "me" in chosen:
        filters["user"] = [str(os.getuid())]
    return filters


def _report(reply: dict[str, Any], chosen: dict[str, Any]) -> int:
    code = 0
    for job, kind, text in reply["errors"]:
        if kind in ("finished", "invalid_job") and "verbose" not in chosen:
            continue  # scancel succeeds without a message if the job has ended or is not known
        code = 1
        if "quiet" not in chosen:
            client.complain(NAME, f"error: Kill job error on job id {job}: {text}")
    if "verbose" in chosen:
        for job in reply["done"]:
            client.complain(NAME, f"Terminating job {job}")
    return code
