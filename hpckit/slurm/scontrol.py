"""Ask the controller for jobs and nodes by scontrol. https://slurm.schedmd.com/scontrol.html"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hpckit.slurm.command import CommandFailed, run_slurm
from hpckit.slurm.hostlist import base_id, expand_hosts, expand_job
from hpckit.slurm.states import JobState, read_exit, read_reason, read_state, read_time

#: A key begins a word; a value reaches to the next key, so it may hold spaces and ``=``.
_PAIR = re.compile(r"(?:^|\s)([A-Za-z][A-Za-z0-9_:/]*)=")


def parse_pairs(line: str) -> dict[str, str]:
    """Read one record of ``scontrol --oneliner show``: ``JobId=57 JobName=a b …``.

    Of equal keys the first one counts. Text without pairs gives an empty dict.
    """
    matches = list(_PAIR.finditer(line))
    ends = [*(match.start() for match in matches[1:]), len(line)]
    pairs: dict[str, str] = {}
    for match, end in zip(matches, ends, strict=False):  # no match has one end
        pairs.setdefault(match[1], line[match.end() : end].strip())
    return pairs


def show_job(job_id: str, *, slurm_bin: str, timeout_s: float = 60.0) -> list[JobState]:
    """Return the state of a job, or of every element of its array, in the controller.

    The list is empty if the controller has forgotten the job.

    Raises:
        SchedulerError: scontrol failed for another reason than an unknown job.
    """
    args = ["--oneliner", "show", "job", base_id(job_id)]
    try:
        text = run_slurm("scontrol", args, slurm_bin=slurm_bin, timeout_s=timeout_s)
    except CommandFailed as error:
        if "Invalid job id" in error.stderr:
            return []
        raise
    return parse_jobs(text)


def parse_jobs(text: str) -> list[JobState]:
    """Read the lines of ``scontrol --oneliner show job``; lines without JobId are left out."""
    states = []
    for line in text.splitlines():
        pairs = parse_pairs(line)
        if "JobId" not in pairs:
            continue
        state = _job(pairs)
        index = pairs.get("ArrayTaskId", "")
        name = f"{pairs['ArrayJobId']}_{index}" if pairs.get("ArrayJobId") and index else ""
        elements = name if name.partition("_")[2].isdigit() else _bracketed(name)
        for element in expand_job(elements or pairs["JobId"]):
            states.append(replace(state, job_id=element))
    return states


def _bracketed(name: str) -> str:
    """Return ``57_[0-3%2]`` for ``57_0-3%2``, the form of ids of waiting elements in scontrol."""
    base, _, indices = name.partition("_")
    return f"{base}_[{indices}]" if indices else ""


def _job(pairs: dict[str, str]) -> JobState:
    state = JobState(
        job_id="",
        state=read_state(pairs.get("JobState", "")),
        reason=read_reason(pairs.get("Reason", "")),
        nodes=expand_hosts(pairs.get("NodeList", "")),
        started_at=read_time(pairs.get("StartTime", "")),
        ended_at=read_time(pairs.get("EndTime", "")),
        restarts=int(pairs["Restarts"]) if pairs.get("Restarts", "").isdigit() else None,
    )
    if state.phase != "ended":
        return state
    exit_code, signal = read_exit(pairs.get("ExitCode", ""))
    return replace(state, exit_code=exit_code, signal=signal)


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """The state of a node in the controller. Memory is in MiB."""

    name: str
    state: str  # as Slurm writes it: "IDLE", "MIXED+DRAIN", …
    cpus: int
    memory_mib: int
    reason: str = ""


def show_nodes(names: str = "", *, slurm_bin: str, timeout_s: float = 60.0) -> list[NodeState]:
    """Return the nodes of a compressed list, or all nodes.

    Raises:
        SchedulerError: scontrol failed.
    """
    args = ["--oneliner", "show", "node", *([names] if names else [])]
    return parse_nodes(run_slurm("scontrol", args, slurm_bin=slurm_bin, timeout_s=timeout_s))


def parse_nodes(text: str) -> list[NodeState]:
    """Read the lines of ``scontrol --oneliner show node``; missing numbers are 0."""
    return [
        NodeState(
            name=pairs["NodeName"],
            state=pairs.get("State", "UNKNOWN"),
            cpus=_number(pairs.get("CPUTot", "")),
            memory_mib=_number(pairs.get("RealMemory", "")),
            reason=read_reason(pairs.get("Reason", "")),
        )
        for pairs in map(parse_pairs, text.splitlines())
        if "NodeName" in pairs
    ]


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
