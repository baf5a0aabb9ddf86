"""The fields of squeue's ``--format`` (``%.18i``) and ``--Format`` (``JobID:18``)."""

from __future__ import annotations

import time
from typing import Any

from hpckit.emulator.commands.getopt import UsageError
from hpckit.emulator.core import formats
from hpckit.emulator.core.model import SHORT_STATE

Job = dict[str, Any]
_MAX_LABEL = 31  # squeue's FORMAT_STRING_SIZE


def label(job: Job) -> str:
    """Return ``7``, ``7_3`` or, for tasks that wait, ``7_[4-9%2]``."""
    if "label" in job:
        return str(job["label"])
    if job["waiting"]:
        return f"{job['array_job_id']}_[{job['waiting_text']}]"[:_MAX_LABEL]
    if job["array_job_id"]:
        return f"{job['array_job_id']}_{job['array_task_id']}"
    return str(job["job_id"])


def _used(job: Job) -> float:
    if job["start"] is None or job["state"] == "PENDING":
        return 0.0
    end = job["end"] if job["end"] is not None else job["now"]
    return max(0.0, float(end - job["start"]))


def _left(job: Job) -> str:
    if job["limit"] < 0:
        return "UNLIMITED"
    return formats.short_elapsed(job["limit"] * 60 - _used(job))


def where(job: Job) -> str:
    """Return the nodes of a job that runs, else its reason in parentheses."""
    if job["state"] == "PENDING":
        return f"({job['reason']})"
    return str(job["node_list"])


def _stamp(key: str) -> Any:
    return lambda job: formats.stamp(job[key], "N/A")


def _minimum_memory(job: Job) -> str:
    if job["mem_per_node"] >= 0:
        return formats.memory(job["mem_per_node"])
    per_cpu = job["mem_per_cpu"] if job["mem_per_cpu"] >= 0 else job["default_mem_per_cpu"]
    return formats.memory(per_cpu)


def _group(job: Job) -> str:
    import grp

    try:
        return grp.getgrgid(job["gid"]).gr_name
    except KeyError:
        return str(job["gid"])


def _gres(job: Job) -> str:
    return f"gres:gpu:{job['gpus_per_node']}" if job["gpus_per_node"] else "N/A"


def _start(job: Job) -> str:
    if job["state"] == "PENDING":
        return formats.stamp(job["begin"] if job["begin"] > job["now"] else None, "N/A")
    return formats.stamp(job["start"], "N/A")


def _end(job: Job) -> str:
    return formats.stamp(job["end"] if job["end"] is not None else job["end_by"], "N/A")


def tres(job: Job) -> str:
    """Return ``cpu=2,mem=1000M,node=1,billing=2``."""
    if not job["shares"]:
        return "(null)"
    memory = formats.memory(job["memory_mib"])
    gpus = sum(len(share[3]) for share in job["shares"])
    text = f"cpu={job['cpus']},mem={memory},node={job['node_count']},billing={job['cpus']}"
    return text + (f",gres/gpu={gpus}" if gpus else "")


# letter: (name in --Format, heading of -o, heading of -O, value)
_FIELDS: dict[str, tuple[str, str, Any]] = {
    "a": ("account", "ACCOUNT", lambda j: j["account"]),
    "A": ("jobid", "JOBID", lambda j: str(j["job_id"])),
    "b": ("tres-per-node", "TRES_PER_NODE", _gres),
    "c": ("mincpus", "MIN_CPUS", lambda j: str(j["cpus_per_task"])),
    "C": ("numcpus", "CPUS", lambda j: str(j["cpus"])),
    "d": ("mintmpdisk", "MIN_TMP_DISK", lambda j: "0"),
    "D": ("numnodes", "NODES", lambda j: str(j["node_count"])),
    "e": ("endtime", "END_TIME", _end),
    "E": ("dependency", "DEPENDENCY", lambda j: j["dependency"]),
    "f": ("feature", "FEATURES", lambda j: j["features"] or "(null)"),
    "F": ("arrayjobid", "ARRAY_JOB_ID", lambda j: str(j["array_job_id"] or j["job_id"])),
    "g": ("groupname", "GROUP", _group),
    "G": ("groupid", "GROUP", lambda j: str(j["gid"])),
    "h": ("oversubscribe", "OVER_SUBSCRIBE", lambda j: "NO" if j["exclusive"] else "OK"),
    "i": ("jobarrayid", "JOBID", label),
    "j": ("name", "NAME", lambda j: j["name"]),
    "k": ("comment", "COMMENT", lambda j: j["comment"] or "(null)"),
    "K": ("arraytaskid", "ARRAY_TASK_ID",
          lambda j: j["waiting_text"] or (str(j["array_task_id"]) if j["array_job_id"] else "N/A")),
    "l": ("timelimit", "TIME_LIMIT", lambda j: formats.time_limit(j["limit"], long=False)),
    "L": ("timeleft", "TIME_LEFT", _left),
    "m": ("minmemory", "MIN_MEMORY", _minimum_memory),
    "M": ("timeused", "TIME", lambda j: formats.short_elapsed(_used(j))),
    "n": ("reqnodes", "REQ_NODES", lambda j: j["nodelist"]),
    "N": ("nodelist", "NODELIST", lambda j: j["node_list"]),
    "o": ("command", "COMMAND", lambda j: " ".join([j["command"], *j["arguments"]]) or "(null)"),
    "p": ("priority", "PRIORITY", lambda j: f"{j['priority'] / 4294967295:.14f}"),
    "P": ("partition", "PARTITION", lambda j: j["partition"]),
    "q": ("qos", "QOS", lambda j: j["qos"]),
    "Q": ("prioritylong", "PRIORITY", lambda j: str(j["priority"])),
    "r": ("reason", "REASON", lambda j: j["reason"]),
    "R": ("reasonlist", "NODELIST(REASON)", where),
    "S": ("starttime", "START_TIME", _start),
    "t": ("statecompact", "ST", lambda j: SHORT_STATE.get(j["state"], j["state"])),
    "T": ("state", "STATE", lambda j: j["state"]),
    "u": ("username", "USER", lambda j: j["user"]),
    "U": ("userid", "USER", lambda j: str(j["uid"])),
    "v": ("reservation", "RESERVATION", lambda j: "(null)"),
    "V": ("submittime", "SUBMIT_TIME", _stamp("submit")),
    "w": ("wckey", "WCKEY", lambda j: j["wckey"] or "(null)"),
    "x": ("excnodes", "EXC_NODES", lambda j: j["exclude"]),
    "X": ("corespec", "CORE_SPEC", lambda j: "N/A"),
    "y": ("nice", "NICE", lambda j: str(j["nice"])),
    "Z": ("workdir", "WORK_DIR", lambda j: j["work_dir"]),
    "Y": ("schednodes", "SCHEDNODES", lambda j: "(null)"),
    "z": ("sct", "S:C:T", lambda j: "*:*:*"),
    "B": ("batchhost", "EXEC_HOST", lambda j: j["nodes"][0] if j["nodes"] else "n/a"),
}  # fmt: skip
_EXTRA: dict[str, tuple[str, Any]] = {
    "restartcnt": ("RESTART_COUNT", lambda j: str(j["restarts"])),
    "exit_code": ("EXIT_CODE", lambda j: str(j["exit"][0])),
    "eligibletime": ("ELIGIBLE_TIME", _stamp("eligible")),
    "stdout": ("STDOUT", lambda j: j["stdout"]),
    "stderr": ("STDERR", lambda j: j["stderr"]),
    "stdin": ("STDIN", lambda j: j["stdin"]),
    "requeue": ("REQUEUE", lambda j: str(int(j["requeue"]))),
    "maxnodes": ("MAX_NODES", lambda j: str(j["max_nodes"])),
    "numtasks": ("TASKS", lambda j: str(j["tasks"])),
    "tres-alloc": ("TRES_ALLOC", tres),
    "submithost": ("ALLOC_NODE", lambda j: j["host"]),
    "cpus-per-task": ("CPUS_PER_TASK", lambda j: str(j["cpus_per_task"])),
    "pendingtime": ("PENDING_TIME",
                    lambda j: str(int((j["start"] or j["now"]) - j["submit"]))),
}  # fmt: skip
_BY_NAME = {name: (heading, value) for name, heading, value in _FIELDS.values()} | _EXTRA
_BY_NAME["tasks"] = _EXTRA["numtasks"]


def sort_key(job: Job, letter: str) -> Any:
    """Return what squeue sorts by for a field's letter."""
    numeric = {"i": "job_id", "A": "job_id", "p": "priority", "Q": "priority", "V": "submit",
               "M": "start", "S": "start"}  # fmt: skip
    if letter in numeric:
        return job[numeric[letter]] or 0
    return str(_FIELDS[letter][2](job)) if letter in _FIELDS else 0


def short_format(rows: list[Job], form: str, *, heading: bool, step: bool = False) -> str:
    """Return rows by ``%[[.]size]letter[suffix]``."""
    parts = _parse_short(form)
    lines = []
    if heading:
        lines.append("".join(_fit(_heading(p, step), p) for p in parts))
    for job in rows:
        lines.append("".join(
            _fit(str(_FIELDS[p[2]][2](job)), p) if p[2] else p[3] for p in parts
        ))  # fmt: skip
    return "".join(line + "\n" for line in lines)


def _heading(part: tuple[bool, int, str, str], step: bool) -> str:
    if not part[2]:
        return ""
    if step and part[2] == "i":
        return "STEPID"
    return _FIELDS[part[2]][1]


def _parse_short(form: str) -> list[tuple[bool, int, str, str]]:
    """Return ``(right-aligned, width, letter, text after)`` of each field."""
    parts: list[tuple[bool, int, str, str]] = []
    before, *fields = form.split("%")
    if before:
        parts.append((False, 0, "", before))
    for field in fields:
        right = field.startswith(".")
        rest = field[1:] if right else field
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        letter, text = rest[len(digits) : len(digits) + 1], rest[len(digits) + 1 :]
        if letter not in _FIELDS:
            raise UsageError(f"error: Invalid job format specification: {letter}")
        parts.append((right, int(digits or 0), letter, text))
    return parts


def _fit(text: str, part: tuple[bool, int, str, str]) -> str:
    right, width, letter, after = part
    if not letter:
        return after
    if width:
        text = text[:width].rjust(width) if right else text[:width].ljust(width)
    return text + after


def long_format(rows: list[Job], form: str, *, heading: bool) -> str:
    """Return rows by ``Name[:[.]size[suffix]],…``; 20 columns unless asked."""
    columns = []
    for word in form.split(","):
        name, colon, size = word.partition(":")
        if name.strip().lower() not in _BY_NAME:
            raise UsageError(f"error: Invalid job format specification: {name}")
        right = size.startswith(".")
        digits = size.lstrip(".")
        number = digits[: len(digits) - len(digits.lstrip("0123456789"))]
        width = int(number) if number else (0 if colon else 20)
        suffix = digits[len(number) :]
        columns.append((*_BY_NAME[name.strip().lower()], right, width, suffix))
    lines = []
    if heading:
        lines.append("".join(_pad(c[0], c[2], c[3]) + c[4] for c in columns))
    for job in rows:
        lines.append("".join(_pad(str(c[1](job)), c[2], c[3]) + c[4] for c in columns))
    return "".join(line + "\n" for line in lines)


def _pad(text: str, right: bool, width: int) -> str:
    if not width:
        return text
    return text[:width].rjust(width) if right else text[:width].ljust(width)


def now() -> float:
    """Return the machine's time, for commands that do not ask the daemon."""
    return time.time()
