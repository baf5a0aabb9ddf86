"""Explain Slurm's reasons why a job waits, and say what can be done.

Source: https://slurm.schedmd.com/job_reason_codes.html . A reason that is not listed here is
shown as it is.
"""

from __future__ import annotations

from typing import Final

_MEANINGS: Final[dict[str, str]] = {
    "Resources": "no node is free that is large enough; it starts when one is",
    "Priority": "other jobs go before it",
    "Dependency": "it waits for another job to start or end",
    "DependencyNeverSatisfied": "the job that it waits for ended otherwise; cancel and resume",
    "BeginTime": "it was requeued, and Slurm lets some time pass before it starts again",
    "JobHeldUser": "it is held: `scontrol release` lets it go",
    "JobHeldAdmin": "an administrator holds it",
    "JobArrayTaskLimit": "the array's limit of elements at a time is reached",
    "PartitionTimeLimit": "it asks for more time than the partition allows: ask for less",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows: ask for fewer",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition takes no jobs now",
    "ReqNodeNotAvail": "a node that it needs is down, drained or reserved",
    "Reservation": "it waits for its reservation",
    "Licenses": "a licence is not free",
    "BadConstraints": "no node has what it asks for: change the constraint",
    "QOSMaxJobsPerUserLimit": "you run as many jobs as the QOS lets you",
    "QOSMaxCpuPerUserLimit": "you use as many CPUs as the QOS lets you",
    "QOSMaxSubmitJobPerUserLimit": "you have submitted as many jobs as the QOS lets you",
    "AssocMaxJobsLimit": "your account runs as many jobs as it may",
    "AssocGrpCpuLimit": "your account's group uses as many CPUs as it may",
    "AssocGrpGRES": "your account's group uses as many GPUs as it may",
    "AssocMaxSubmitJobLimit": "you have submitted as many jobs as your account lets you",
    "launch_failed_requeued_held": "its start failed on a node and it is held: `scontrol release`",
    "job_requeued_in_held_state": "it was requeued and is held: `scontrol release`",
}


def describe_reason(reason: str) -> str:
    """Return ``"Resources: no node is free …"``; an unknown reason is returned as it is."""
    name = reason.strip("()").partition(",")[0]
    found = _MEANINGS.get(name)
    return f"{reason}: {found}" if found else reason
