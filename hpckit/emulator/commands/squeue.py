"""squeue: the queue. Source: squeue(1), ``--format`` and ``--Format``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from hpckit.emulator.commands import client, squeue_fields
from hpckit.emulator.commands.getopt import Parser, UsageError, convert
from hpckit.emulator.commands.options import NONE, OPTIONAL, Option
from hpckit.emulator.core import hostlist
from hpckit.emulator.core.model import SHORT_STATE

NAME = "squeue"
_DEFAULT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
_LONG = "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R"
_STEPS = "%.15i %.8j %.9P %.8u %.9M %N"
_TABLE = (
    Option("account", "A"), Option("all", "a", NONE), Option("array", "r", NONE),
    Option("array-unique", argument=NONE), Option("format", "o"), Option("Format", "O"),
    Option("help", argument=NONE), Option("hide", argument=NONE), Option("jobs", "j", OPTIONAL),
    Option("local", argument=NONE), Option("long", "l", NONE), Option("me", argument=NONE),
    Option("name", "n"), Option("noheader", "h", NONE), Option("nodelist", "w"),
    Option("partition", "p"), Option("priority", "P", NONE), Option("qos", "q"),
    Option("sort", "S"), Option("start", argument=NONE), Option("states", "t"),
    Option("steps", "s", OPTIONAL), Option("user", "u"), Option("usage", argument=NONE),
    Option("verbose", "v", NONE), Option("version", "V", NONE),
)  # fmt: skip
_REFUSED = (
    Option("clusters", "M"), Option("federation", argument=NONE), Option("iterate", "i"),
    Option("json", argument=NONE), Option("yaml", argument=NONE), Option("licenses", "L"),
    Option("reservation", "R"), Option("sibling", argument=NONE),
)  # fmt: skip
_VALID_STATES = (
    "squeue: error: Valid job states include: PENDING,RUNNING,SUSPENDED,COMPLETED,CANCELLED,"
    "FAILED,TIMEOUT,NODE_FAIL,PREEMPTED,BOOT_FAIL,DEADLINE,OUT_OF_MEMORY,COMPLETING,CONFIGURING,"
    "RESIZING,RESV_DEL_HOLD,REQUEUED,REQUEUE_FED,REQUEUE_HOLD,REVOKED,SIGNALING,SPECIAL_EXIT,"
    "STAGE_OUT,STOPPED"
)
_UNFINISHED = ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING")


def main(state_dir: str, words: list[str]) -> int:
    """Run squeue; return its exit code."""
    try:
        found, rest = Parser(NAME, _TABLE, _REFUSED).parse(_joined(words), permute=True)
        chosen = {option.long: convert(NAME, option, value) for option, value in found}
        if rest:
            raise UsageError(f"error: Unrecognized option: {rest[0]}")
        if "version" in chosen:
            sys.stdout.write(client.VERSION + "\n")
            return 0
        if "help" in chosen or "usage" in chosen:
            names = "\n".join(f"  --{option.long}" for option in _TABLE)
            sys.stdout.write(f"Usage: squeue [OPTIONS]\n{names}\n")
            return 0
        wanted = _states(str(chosen["states"])) if "states" in chosen else None
        jobs = client.ask(
            state_dir, {"op": "jobs", "unfinished": wanted is None and "jobs" not in chosen}
        )["jobs"]
        if "long" in chosen and not {"format", "Format"} & chosen.keys():
            import time

            sys.stdout.write(time.strftime("%a %b %d %H:%M:%S %Y\n"))
        sys.stdout.write(_render(jobs, chosen, wanted))
    except UsageError as error:
        client.complain(NAME, str(error))
        return 1
    except client.ControllerError as error:
        client.complain("slurm_load_jobs error", error.text)
        return 1
    return 0


def _joined(words: list[str]) -> list[str]:
    """squeue takes ``-j 7`` although its argument is optional: join such words."""
    out: list[str] = []
    for word in words:
        if out and out[-1] in ("-j", "-s", "--jobs", "--steps") and not word.startswith("-"):
            out[-1] += word if len(out[-1]) == 2 else f"={word}"
        else:
            out.append(word)
    return out


def _states(text: str) -> list[str]:
    by_short = {short: long for long, short in SHORT_STATE.items()}
    states = []
    for word in text.split(","):
        if word.upper() == "ALL":
            return list(SHORT_STATE)
        name = by_short.get(word.upper(), word.upper())
        if name not in SHORT_STATE:
            raise UsageError(f"error: Invalid job state specified: {word}\n{_VALID_STATES}")
        states.append(name)
    return states


def _render(jobs: list[dict[str, Any]], chosen: dict[str, Any], wanted: list[str] | None) -> str:
    rows = _select(jobs, chosen, wanted)
    if "array" in chosen:
        words = hostlist._split(str(chosen.get("jobs") or ""))
        rows = [one for row in rows for one in _unfold(row)]
        rows = [row for row in rows if not words or any(_is(row, word) for word in words)]
    if "steps" in chosen:
        return _steps(rows, chosen)
    rows = _sorted(rows, str(chosen.get("sort", os.environ.get("SQUEUE_SORT", ""))))
    heading = "noheader" not in chosen
    if "Format" in chosen:
        return squeue_fields.long_format(rows, str(chosen["Format"]), heading=heading)
    form = chosen.get("format") or os.environ.get("SQUEUE_FORMAT")
    if not form:
        form = _LONG if "long" in chosen else _DEFAULT
    return squeue_fields.short_format(rows, str(form), heading=heading)


def _select(
    jobs: list[dict[str, Any]], chosen: dict[str, Any], wanted: list[str] | None
) -> list[dict[str, Any]]:
    ids = str(chosen.get("jobs") or "")
    states = wanted if wanted is not None else list(_UNFINISHED)
    if ids:
        numbers = hostlist._split(ids)
        for number in numbers:
            if not number[:1].isdigit():
                raise UsageError(f"error: Invalid job id: {number}")
        known = {n for job in jobs for n in (job["job_id"], job["array_job_id"])}
        if len(numbers) == 1 and int(numbers[0].partition("_")[0]) not in known:
            raise client.ControllerError("invalid_job", "Invalid job id specified")
        jobs = [job for job in jobs if any(_is(job, number) for number in numbers)]
    checks: dict[str, Callable[[dict[str, Any], list[str]], object]] = {
        "user": lambda job, v: job["user"] in v or str(job["uid"]) in v,
        "name": lambda job, v: job["name"] in v,
        "partition": lambda job, v: set(job["partition"].split(",")) & set(v),
        "account": lambda job, v: job["account"] in v,
        "qos": lambda job, v: job["qos"] in v,
        "nodelist": lambda job, v: set(job["nodes"]) & set(hostlist.expand(",".join(v))),
    }
    jobs = [job for job in jobs if job["state"] in states]
    for name, check in checks.items():
        if name in chosen:
            values = str(chosen[name]).split(",")
            jobs = [job for job in jobs if check(job, values)]
    if "user" in chosen:
        _check_users(str(chosen["user"]).split(","))
    if "me" in chosen:
        jobs = [job for job in jobs if job["uid"] == os.getuid()]
    return jobs


def _check_users(users: list[str]) -> None:
    import pwd

    for user in users:
        try:
            pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        except KeyError:
            raise UsageError(f"error: Invalid user: {user}") from None


def _is(job: dict[str, Any], text: str) -> bool:
    number, underscore, task = text.partition("_")
    if underscore:
        index = int(task) if task.isdigit() else -1
        mine = job["array_task_id"] == index or index in job["waiting"]
        return job["array_job_id"] == int(number) and mine
    return int(number) in (job["job_id"], job["array_job_id"])


def _unfold(job: dict[str, Any]) -> list[dict[str, Any]]:
    if not job["waiting"]:
        return [job]
    return [
        {**job, "array_task_id": index, "waiting": [], "waiting_text": ""}
        for index in job["waiting"]
    ]


def _sorted(rows: list[dict[str, Any]], keys: str) -> list[dict[str, Any]]:
    """Sort as squeue does: by partition, state (waiting first), then falling priority."""
    order = {"PENDING": 0, "RUNNING": 1, "SUSPENDED": 2, "COMPLETING": 3}

    def default(job: dict[str, Any]) -> tuple[Any, ...]:
        return (job["partition"], order.get(job["state"], 4), -job["priority"],
                job["array_job_id"] or job["job_id"], job["array_task_id"])  # fmt: skip

    rows = sorted(rows, key=default)
    for key in reversed([k for k in keys.split(",") if k]):
        letter = key.lstrip("+-")
        rows.sort(key=lambda job: squeue_fields.sort_key(job, letter), reverse=key[0] == "-")
    return rows


def _steps(rows: list[dict[str, Any]], chosen: dict[str, Any]) -> str:
    steps = []
    for job in rows:
        for step in job["steps"]:
            if step["live"] and step["id"] != "batch":
                label = f"{squeue_fields.label(job)}.{step['id']}"
                steps.append({**job, "label": label, "name": step["name"],
                              "start": step["start"], "node_list": step["nodes"]})  # fmt: skip
    form = str(chosen.get("format") or _STEPS)
    return squeue_fields.short_format(steps, form, heading="noheader" not in chosen, step=True)
