"""sacct: accounting, read directly from the cluster's file. Source: sacct(1).

It answers while the controller does not, as slurmdbd does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from hpckit.emulator.commands import client, sacct_fields
from hpckit.emulator.commands.getopt import Parser, UsageError, convert
from hpckit.emulator.commands.options import NONE, Option
from hpckit.emulator.core import formats, hostlist
from hpckit.emulator.core.model import SHORT_STATE

NAME = "sacct"
_DEFAULT = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"
_BRIEF = "JobID,State,ExitCode"
_LONG = (
    "JobID,JobIDRaw,JobName,Partition,MaxVMSize,MaxVMSizeNode,MaxVMSizeTask,AveVMSize,MaxRSS,"
    "MaxRSSNode,MaxRSSTask,AveRSS,MinCPU,MinCPUNode,MinCPUTask,AveCPU,NTasks,AllocCPUS,Elapsed,"
    "State,ExitCode,ReqMem,AllocTRES"
)
_TABLE = (
    Option("accounts", "A"), Option("allclusters", "L", NONE), Option("allocations", "X", NONE),
    Option("allusers", "a", NONE), Option("array", argument=NONE), Option("brief", "b", NONE),
    Option("clusters", "M"), Option("completion", "c", NONE), Option("delimiter"),
    Option("duplicates", "D", NONE), Option("endtime", "E"), Option("format", "o"),
    Option("help", "h", NONE), Option("helpformat", "e", NONE), Option("jobs", "j"),
    Option("long", "l", NONE), Option("name"), Option("ncpus", "I"), Option("nnodes", "i"),
    Option("nodelist", "N"), Option("noconvert", argument=NONE), Option("noheader", "n", NONE),
    Option("parsable", "p", NONE), Option("parsable2", "P", NONE), Option("partition", "r"),
    Option("qos", "q"), Option("starttime", "S"), Option("state", "s"), Option("steps",
    argument=NONE), Option("truncate", "T", NONE), Option("uid", "u"), Option("user"),
    Option("units"), Option("verbose", "v", NONE), Option("version", "V", NONE),
    Option("local", argument=NONE),
)  # fmt: skip
_REFUSED = (
    Option("associations", "x"), Option("constraints", "C"), Option("batch-script", "B", NONE),
    Option("env-vars", argument=NONE), Option("federation", argument=NONE),
    Option("file", "f"), Option("flags", "F"), Option("gid", "g"), Option("group"),
    Option("json", argument=NONE), Option("yaml", argument=NONE), Option("qos-blame"),
    Option("timelimit-max", "K"), Option("timelimit-min", "k"), Option("use-local-uid",
    argument=NONE), Option("wckeys", "W"), Option("whole-hetjob"),
)  # fmt: skip


def main(state_dir: str, words: list[str]) -> int:
    """Run sacct; return its exit code."""
    try:
        found, rest = Parser(NAME, _TABLE, _REFUSED).parse(words, permute=True)
        chosen: dict[str, Any] = {o.long: convert(NAME, o, value) for o, value in found}
        for name in ("jobs", "name", "state", "user"):  # these add up when given again
            if values := [value for option, value in found if option.long == name]:
                chosen[name] = ",".join(values)
        if rest:
            raise UsageError(f"error: Unrecognized option: {rest[0]}")
        if "version" in chosen:
            sys.stdout.write(client.VERSION + "\n")
            return 0
        if "helpformat" in chosen:
            sys.stdout.write(sacct_fields.help_text())
            return 0
        if "help" in chosen:
            sys.stdout.write("Usage: sacct [<OPTION>]\n" + sacct_fields.help_text())
            return 0
        units = "B" if "noconvert" in chosen else str(chosen.get("units", ""))
        columns = sacct_fields.columns(_format(chosen), units=units)
        rows = _expand(_query(state_dir, chosen), chosen)
        sys.stdout.write(_render(rows, columns, chosen))
    except UsageError as error:
        prefix = "" if str(error).startswith("Invalid") else f"{NAME}: "
        sys.stderr.write(f"{prefix}{error}\n")
        return 1
    return 0


def _format(chosen: dict[str, Any]) -> str:
    if "format" in chosen:
        return str(chosen["format"])
    if "brief" in chosen:
        return _BRIEF
    if "long" in chosen:
        return _LONG
    return os.environ.get("SACCT_FORMAT", _DEFAULT)


# -- which jobs ----------------------------------------------------------------------------


def _query(state_dir: str, chosen: dict[str, Any]) -> list[dict[str, Any]]:
    import sqlite3

    path = f"{state_dir}/slurm.sqlite"
    if not os.path.exists(path):  # noqa: PTH110
        return []
    where, values = _conditions(chosen)
    database = sqlite3.connect(f"file:{_uri(path)}?mode=ro", uri=True)
    try:
        cursor = database.execute(
            f"SELECT data FROM job {where} ORDER BY job_id, restart",
            values,
        )
        jobs = [json.loads(row[0]) for row in cursor]
    finally:
        database.close()
    if "duplicates" not in chosen:
        last = {job["job_id"]: job["restarts"] for job in jobs}
        jobs = [job for job in jobs if job["restarts"] == last[job["job_id"]]]
    jobs = [job for job in jobs if _wanted(job, chosen)]
    return sorted(jobs, key=lambda j: (j["array_job_id"] or j["job_id"], bool(j["waiting"]),
                                       j["array_task_id"], j["restarts"]))  # fmt: skip


def _uri(path: str) -> str:
    return "".join(c if c.isalnum() or c in "/._-" else "".join(f"%{b:02x}" for b in c.encode())
                   for c in path)  # fmt: skip


def _conditions(chosen: dict[str, Any]) -> tuple[str, list[Any]]:
    clauses: list[str] = []
    values: list[Any] = []
    if "jobs" in chosen:
        named = [_named(w) for w in hostlist._split(str(chosen["jobs"])) if w[:1].isdigit()]
        clauses.append("(" + " OR ".join(clause for clause, _ in named or [("0", [])]) + ")")
        values += [value for _, some in named for value in some]
    now = time.time()
    start = _when(str(chosen["starttime"]), now) if "starttime" in chosen else None
    end = _when(str(chosen["endtime"]), now) if "endtime" in chosen else None
    if start is None and "jobs" not in chosen:
        start = _midnight(now)
    if start is not None:
        clauses.append("(end IS NULL OR end >= ?)")
        values.append(start)
    if end is not None:
        clauses.append("submit <= ?")
        values.append(end)
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), values


def _named(word: str) -> tuple[str, list[Any]]:
    """Return the SQL condition for ``7``, ``7.0`` or ``7_3`` (``7_[1-3]``: all of array 7)."""
    number, _, task = word.partition(".")[0].partition("+")[0].partition("_")
    job = int(number)
    if task.isdigit():
        return "(array_job_id = ? AND array_task_id IN (?, -1))", [job, int(task)]
    return "(job_id = ? OR array_job_id = ?)", [job, job]


def _when(text: str, now: float) -> float:
    if text.lower() in ("now", "today"):
        return now if text.lower() == "now" else _midnight(now)
    if text.lower() == "midnight":
        return _midnight(now)
    try:
        if len(text) == 5 and text[2] == ":":
            return _midnight(now) + int(text[:2]) * 3600 + int(text[3:]) * 60
        return formats.parse_begin(text, now)
    except ValueError:
        raise UsageError(f"Invalid time specification (pos=0): {text}") from None


def _midnight(now: float) -> float:
    today = time.localtime(now)
    return time.mktime((today.tm_year, today.tm_mon, today.tm_mday, 0, 0, 0, 0, 0, -1))


def _wanted(job: dict[str, Any], chosen: dict[str, Any]) -> bool:
    request = job["request"]
    if "jobs" in chosen and not any(_is(job, w) for w in hostlist._split(str(chosen["jobs"]))):
        return False
    if "name" in chosen and request["name"] not in str(chosen["name"]).split(","):
        return False
    if not _on_account_and_nodes(job, chosen):
        return False
    users = str(chosen.get("user", chosen.get("uid", ""))).split(",")
    if users != [""] and request["user"] not in users and str(request["uid"]) not in users:
        return False
    if "partition" in chosen and job["partition"] not in str(chosen["partition"]).split(","):
        return False
    if "state" in chosen:
        by_short = {short: long for long, short in SHORT_STATE.items()}
        states = [by_short.get(w.upper(), w.upper()) for w in str(chosen["state"]).split(",")]
        if job["state"] not in states:
            return False
    return True


def _on_account_and_nodes(job: dict[str, Any], chosen: dict[str, Any]) -> bool:
    account = job["request"]["account"] or job["request"]["user"]
    if "accounts" in chosen and account not in str(chosen["accounts"]).split(","):
        return False
    if "nodelist" not in chosen:
        return True
    names = set(hostlist.expand(str(chosen["nodelist"])))
    return bool(names & {share["node"] for share in job["shares"]})


def _is(job: dict[str, Any], text: str) -> bool:
    body = text.partition(".")[0]
    number, underscore, tasks = body.partition("_")
    if not number.isdigit():
        return False
    if underscore:
        if job["array_job_id"] != int(number):
            return False
        from hpckit.emulator.core.arrays import parse

        try:
            wanted = set(parse(tasks, 4_000_001)[0])
        except ValueError:
            return False
        return job["array_task_id"] in wanted or bool(wanted & set(job["waiting"]))
    return int(number) in (job["job_id"], job["array_job_id"])


# -- rows ----------------------------------------------------------------------------------


def _expand(jobs: list[dict[str, Any]], chosen: dict[str, Any]) -> list[sacct_fields.Row]:
    rows: list[sacct_fields.Row] = []
    words = hostlist._split(str(chosen["jobs"])) if "jobs" in chosen else []
    only_steps = bool(words) and all("." in word for word in words)
    for job in jobs:
        if "array" in chosen and job["waiting"]:
            rows += [sacct_fields.Row({**job, "waiting": [], "array_task_id": i}, None)
                     for i in job["waiting"]]  # fmt: skip
            continue
        if not only_steps:
            rows.append(sacct_fields.Row(job, None))
        if "allocations" in chosen:
            continue
        for step in job["steps"].values():
            label = f".{step['step_id']}"
            if not words or not only_steps or any(word.endswith(label) for word in words):
                rows.append(sacct_fields.Row(job, step))
    return rows


def _render(
    rows: list[sacct_fields.Row], columns: list[sacct_fields.Column], chosen: dict[str, Any]
) -> str:
    cells = [[column.value(row) for column in columns] for row in rows]
    heading = "noheader" not in chosen
    if "parsable" in chosen or "parsable2" in chosen:
        delimiter = str(chosen.get("delimiter", "|"))
        end = delimiter if "parsable" in chosen else ""
        lines = [[column.name for column in columns]] if heading else []
        return "".join(delimiter.join(line) + end + "\n" for line in [*lines, *cells])
    lines = []
    if heading:
        lines.append([column.name for column in columns])
        lines.append(["-" * column.width for column in columns])
    text = ""
    for line in [*lines, *cells]:
        text += "".join(column.fit(cell) + " " for column, cell in zip(columns, line, strict=True))
        text += "\n"
    return text
