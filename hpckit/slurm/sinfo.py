"""Ask for partitions and their nodes by sinfo. https://slurm.schedmd.com/sinfo.html"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpckit.slurm.command import run_slurm

#: sinfo(1) --format: partition, the same with * for the default, availability, time limit,
#: number of nodes, CPUs, memory and generic resources of each.
_FORMAT = "%R|%P|%a|%l|%D|%c|%m|%G"


@dataclass(frozen=True, kw_only=True)
class NodeGroup:
    """Equal nodes of one partition.

    Attributes:
        partition: its name.
        default: True for the partition of jobs that name none.
        up: True if the partition accepts jobs.
        max_walltime_s: seconds; None if it is unlimited or unknown.
        nodes: number of nodes.
        cpus, memory_mib, gpus: of each node.
    """

    partition: str
    default: bool
    up: bool
    max_walltime_s: int | None
    nodes: int
    cpus: int
    memory_mib: int
    gpus: int


def partitions(*, slurm_bin: str, timeout_s: float = 60.0) -> list[NodeGroup]:
    """Return the groups of equal nodes of every partition.

    Raises:
        SchedulerError: sinfo failed.
    """
    args = [
        "--noheader",
        "--exact",
        f"--format={_FORMAT}",
    ]  # a group has equal nodes only
    return parse_sinfo(run_slurm("sinfo", args, slurm_bin=slurm_bin, timeout_s=timeout_s))


def parse_sinfo(text: str) -> list[NodeGroup]:
    """Read lines of ``%R|%P|%a|%l|%D|%c|%m|%G``; lines with fewer fields are left out.

    If the nodes of a group differ, sinfo writes the smallest number and a plus (``2+``).
    """
    groups = []
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) < 8:
            continue
        groups.append(
            NodeGroup(
                partition=fields[0],
                default=fields[1].endswith("*"),
                up=fields[2] == "up",
                max_walltime_s=_limit_s(fields[3]),
                nodes=_number(fields[4]),
                cpus=_number(fields[5]),
                memory_mib=_number(fields[6]),
                gpus=_gpus(fields[7]),
            )
        )
    return groups


def _number(text: str) -> int:
    digits = text.strip().rstrip("+")
    return int(digits) if digits.isdigit() else 0


def _limit_s(text: str) -> int | None:
    """Read ``1-00:00:00``, ``12:00:00`` or ``2:00`` (minutes and seconds); None means no limit."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def _gpus(text: str) -> int:
    """Count the GPUs of ``gpu:a100:4(S:0-1),gpu:2``; other resources do not count."""
    found = re.findall(r"(?:^|,)gpu(?::[^:,()]*[^\d:,()][^:,()]*)?:(\d+)", text)
    return sum(int(count) for count in found)
