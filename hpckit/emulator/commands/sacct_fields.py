"""The fields of sacct's ``--format``: names, widths, and the value for a job or a step.

Source: sacct(1) *Job Accounting Fields*; widths are those that 22.05 prints.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hpckit.emulator.commands.getopt import UsageError
from hpckit.emulator.core import formats, hostlist
from hpckit.emulator.core.arrays import describe

_UNFINISHED = ("PENDING", "RUNNING", "COMPLETING")


class Row:
    """One line: a job, or one step of it."""

    __slots__ = ("job", "request", "step")

    def __init__(self, job: dict[str, Any], step: dict[str, Any] | None) -> None:
        self.job, self.step, self.request = job, step, job["request"]

    @property
    def start(self) -> float | None:
        """When it started."""
        when: float | None = (self.step or self.job)["start"]
        return when

    @property
    def end(self) -> float | None:
        """When it ended."""
        when: float | None = (self.step or self.job)["end"]
        return when

    def elapsed(self) -> float:
        """Return the whole seconds that it ran, or has run so far."""
        if self.start is None:
            return 0.0
        end = self.end if self.end is not None else time.time()
        return max(0.0, int(end) - int(self.start))

    def cpus(self) -> int:
        """Return the CPUs that it holds."""
        if self.step is None:
            return int(sum(share["cpus"] for share in self.job["shares"]))
        if self.step["step_id"] == "batch":
            return int(self.job["shares"][0]["cpus"]) if self.job["shares"] else 0
        return max(int(sum(self.step["cpus"])), 1)

    def nodes(self) -> list[str]:
        """Return its nodes."""
        if self.step is not None:
            return list(self.step["nodes"])
        return [share["node"] for share in self.job["shares"]]


class Column:
    """One requested field: ``JobName%30`` is 30 wide, ``%-30`` left-aligned."""

    __slots__ = ("left", "name", "value", "width")

    def __init__(self, name: str, width: int, left: bool, value: Callable[[Row], str]) -> None:
        self.name, self.width, self.left, self.value = name, width, left, value

    def fit(self, text: str) -> str:
        """Return text cut (marked by ``+``) and padded."""
        if len(text) > self.width:
            text = text[: self.width - 1] + "+"
        return text.ljust(self.width) if self.left else text.rjust(self.width)


_UNIT_KIB = {"K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}


def _in_units(value: Callable[[Row], str], units: str) -> Callable[[Row], str]:
    """Return a memory field in the units of ``--units``, or in bytes (``B``)."""

    def convert(row: Row) -> str:
        text = value(row)
        if not text.endswith("K"):
            return text
        kib = int(text[:-1])
        return str(kib * 1024) if units == "B" else f"{kib / _UNIT_KIB[units]:.2f}{units}"

    return convert


def columns(form: str, *, units: str = "") -> list[Column]:
    """Return the columns of a ``--format`` list; names may be shortened, case does not matter.

    Raises:
        UsageError: there is no such field.
    """
    chosen = []
    for word in (w.strip() for w in form.split(",")):
        if not word:
            continue
        name, _, size = word.partition("%")
        if name.lower() == "all":
            chosen += [Column(n, w, n == "JobID", v) for n, (w, v) in FIELDS.items()]
            continue
        found = _by_name(name)
        width, value = FIELDS[found]
        if units and found in _MEMORY:
            value = _in_units(value, units)
        left = found == "JobID" or size.startswith("-")
        digits = size.lstrip("-")
        if size and not digits.isdigit():
            raise UsageError(f"error: Invalid field width: {word}")
        chosen.append(Column(found, int(digits) if digits else width, left, value))
    return chosen


def _by_name(name: str) -> str:
    lower = name.lower()
    for field in FIELDS:
        if field.lower() == lower:
            return field
    for field in FIELDS:
        if field.lower().startswith(lower):
            return field
    raise UsageError(f'error: Invalid field requested: "{name}"')


def _job_id(row: Row) -> str:
    job = row.job
    if job["waiting"]:
        text = f"{job['array_job_id']}_[{describe(job['waiting'], job['array_limit'])}]"
    elif job["array_job_id"]:
        text = f"{job['array_job_id']}_{job['array_task_id']}"
    else:
        text = str(job["job_id"])
    return text + (f".{row.step['step_id']}" if row.step else "")


def _state(row: Row) -> str:
    if row.step is not None:
        ended = row.job["end"] is not None and row.step["end"] is None
        return "CANCELLED" if ended else str(row.step["state"])
    state = str(row.job["state"])
    if state == "COMPLETING":
        state = str(row.job["ending"] or "RUNNING")
    if state == "CANCELLED" and row.job["cancelled_by"] >= 0:
        return f"CANCELLED by {row.job['cancelled_by']}"
    return state


def _exit(row: Row) -> str:
    if row.step is None:
        return formats.exit_code(row.job["exit_status"])
    if row.step["state"] == "OUT_OF_MEMORY":
        return "0:125"
    worst = (0, 0)
    for code, signo in row.step["status"].values():
        if (signo, code) > (worst[1], worst[0]):
            worst = (code, signo)
    return formats.exit_code(worst)


def _memory_kib(row: Row) -> str:
    if row.step is None or row.step["end"] is None:
        return ""
    kib = row.step["max_rss_kib"]
    return f"{kib}K" if kib else "0"


def _usage(row: Row, *keys: str) -> str:
    sources = [row.step] if row.step else list(row.job["steps"].values())
    total = sum(step[key] for step in sources for key in keys)
    return formats.cpu_time(total)


def _requested_memory(row: Row) -> str:
    if row.step is not None:
        return ""
    request = row.request
    if request["mem_per_node_mib"] > 0:
        nodes = len(row.job["shares"]) or request["min_nodes"]
        return formats.memory(request["mem_per_node_mib"] * nodes)
    return formats.memory(sum(share["memory_mib"] for share in row.job["shares"]))


def _tres(row: Row, *, billing: bool = True) -> str:
    shares = row.job["shares"]
    if not shares:
        return ""
    memory = formats.memory(sum(share["memory_mib"] for share in shares))
    if row.step is not None:
        return f"cpu={row.cpus()},mem={memory},node={len(row.nodes())}"
    cpus = row.cpus()
    gpus = sum(len(share["gpus"]) for share in shares)
    text = f"billing={cpus},cpu={cpus}"
    text += f",gres/gpu={gpus}" if gpus else ""
    return f"{text},mem={memory},node={len(shares)}"


def _requested_tasks(row: Row) -> int:
    request = row.request
    tasks = request["ntasks"] or request["min_nodes"] * (request["ntasks_per_node"] or 1)
    return int(tasks * (request["cpus_per_task"] or 1))


def _job_only(value: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: "" if row.step is not None else value(row)


def _step_only(value: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: value(row) if row.step is not None else ""


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _reserved(row: Row) -> str:
    eligible = row.job["eligible"]
    if row.step is not None or eligible is None:
        return ""
    until = row.job["start"] if row.job["start"] is not None else time.time()
    return formats.elapsed(until - eligible)


def _node_list(row: Row) -> str:
    nodes = row.nodes()
    return hostlist.compress(nodes) if nodes else "None assigned"


def _limit(row: Row) -> str:
    return formats.time_limit(row.job["time_limit_min"], long=True)


FIELDS: dict[str, tuple[int, Callable[[Row], str]]] = {
    "Account": (10, lambda r: r.request["account"] or r.request["user"]),
    "AdminComment": (19, lambda r: ""),
    "AllocCPUS": (10, lambda r: str(r.cpus())),
    "AllocNodes": (10, lambda r: str(len(r.nodes()))),
    "AllocTRES": (10, _tres),
    "AveCPU": (10, _step_only(lambda r: formats.elapsed(
        (r.step or {})["user_s"] + (r.step or {})["system_s"]))),
    "AveRSS": (10, _memory_kib),
    "Cluster": (10, _job_only(lambda r: str(r.request.get("cluster", "")) or "local")),
    "Comment": (14, _job_only(lambda r: str(r.request["comment"]))),
    "CPUTime": (10, lambda r: formats.elapsed(r.elapsed() * r.cpus())),
    "CPUTimeRAW": (10, lambda r: str(int(r.elapsed() * r.cpus()))),
    "DerivedExitCode": (15, _job_only(lambda r: formats.exit_code(r.job["derived_status"]))),
    "Elapsed": (10, lambda r: formats.elapsed(r.elapsed())),
    "ElapsedRaw": (10, lambda r: str(int(r.elapsed()))),
    "Eligible": (19, _job_only(lambda r: formats.stamp(r.job["eligible"]))),
    "End": (19, lambda r: formats.stamp(r.end)),
    "ExitCode": (8, _exit),
    "GID": (6, _job_only(lambda r: str(r.request["gid"]))),
    "Group": (9, _job_only(lambda r: _group(r.request["gid"]))),
    "JobID": (12, _job_id),
    "JobIDRaw": (12, lambda r: str(r.job["job_id"]) + (f".{r.step['step_id']}" if r.step else "")),
    "JobName": (10, lambda r: str(r.step["name"] if r.step else r.request["name"])),
    "Layout": (9, _step_only(lambda r: "Block" if (r.step or {})["step_id"] != "batch" else
                             "Unknown")),
    "MaxRSS": (10, _memory_kib),
    "MaxRSSNode": (10, _step_only(lambda r: str((r.step or {})["max_rss_node"]))),
    "MaxRSSTask": (10, _step_only(lambda r: str((r.step or {})["max_rss_task"]))),
    "MaxVMSize": (10, _memory_kib),
    "NCPUS": (10, lambda r: str(r.cpus())),
    "NNodes": (8, lambda r: str(len(r.nodes()) or r.request["min_nodes"])),
    "NodeList": (15, _node_list),
    "NTasks": (8, _step_only(lambda r: str(sum(len(t) for t in (r.step or {})["tasks"])))),
    "Partition": (10, _job_only(lambda r: str(r.job["partition"]))),
    "Priority": (10, _job_only(lambda r: str(r.job["priority"]))),
    "QOS": (10, _job_only(lambda r: r.request["qos"] or "normal")),
    "Reason": (22, _job_only(lambda r: str(r.job["reason"]))),
    "ReqCPUS": (8, lambda r: str(r.cpus() if r.step else _requested_tasks(r))),
    "ReqMem": (10, _requested_memory),
    "ReqNodes": (8, _job_only(lambda r: str(r.request["min_nodes"]))),
    "ReqTRES": (10, _job_only(_tres)),
    "Reserved": (10, _reserved),
    "Start": (19, lambda r: formats.stamp(r.start, "Unknown" if r.end is None else "None")),
    "State": (10, _state),
    "Submit": (19, lambda r: formats.stamp(r.job["submit"] if r.step is None else r.start)),
    "SubmitLine": (20, lambda r: str(r.request.get("submit_line", ""))),
    "AveVMSize": (10, _memory_kib),
    "Suspended": (10, lambda r: "00:00:00"),
    "SystemCPU": (10, lambda r: _usage(r, "system_s")),
    "Timelimit": (10, _job_only(_limit)),
    "TimelimitRaw": (12, _job_only(lambda r: str(r.job["time_limit_min"]))),
    "TotalCPU": (10, lambda r: _usage(r, "user_s", "system_s")),
    "UID": (6, _job_only(lambda r: str(r.request["uid"]))),
    "User": (9, _job_only(lambda r: str(r.request["user"]))),
    "UserCPU": (10, lambda r: _usage(r, "user_s")),
    "WCKey": (10, _job_only(lambda r: str(r.request["wckey"]))),
    "WorkDir": (20, _job_only(lambda r: str(r.request["work_dir"]))),
}  # fmt: skip


_MEMORY = frozenset(["MaxRSS", "AveRSS", "MaxVMSize", "AveVMSize"])
# Fields that 22.05 has and that are empty here.
_EMPTY = (
    "AssocID AveCPUFreq AveDiskRead AveDiskWrite AvePages BlockID Constraints ConsumedEnergy "
    "ConsumedEnergyRaw Container DBIndex Flags MaxDiskRead MaxDiskReadNode MaxDiskReadTask "
    "MaxDiskWrite MaxDiskWriteNode MaxDiskWriteTask MaxPages MaxPagesNode MaxPagesTask "
    "MaxVMSizeNode MaxVMSizeTask McsLabel MinCPU MinCPUNode MinCPUTask QOSRAW ReqCPUFreq "
    "ReqCPUFreqGov ReqCPUFreqMax ReqCPUFreqMin Reservation ReservationId ResvCPU ResvCPURAW "
    "SystemComment WCKeyID"
)
FIELDS |= {name: (10, lambda r: "") for name in _EMPTY.split() if name not in FIELDS}


def help_text() -> str:
    """Return the list of fields, four to a line."""
    names = list(FIELDS)
    lines = [names[i : i + 4] for i in range(0, len(names), 4)]
    return "".join("".join(name.ljust(20) for name in line).rstrip() + "\n" for line in lines)
