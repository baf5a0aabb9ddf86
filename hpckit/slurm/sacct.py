"""sacct: what accounting keeps of jobs. https://slurm.schedmd.com/sacct.html"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hpckit.errors import SchedulerError
from hpckit.slurm.command import CommandFailed, CommandMissing, run_slurm
from hpckit.slurm.hostlist import base_id, expand_hosts, expand_job
from hpckit.slurm.states import JobState, read_exit, read_reason, read_state, read_time

_FIELDS = ("JobID", "State", "ExitCode", "Reason", "NodeList", "Start", "End")


class AccountingOff(SchedulerError):
    """There is no accounting here, so nothing is known of jobs that the controller forgot."""


def sacct(job_ids: Sequence[str], *, slurm_bin: str, timeout_s: float = 60.0) -> list[JobState]:
    """Return every record that accounting has of these jobs, oldest first.

    A requeued job has a record for each time it ran (``--duplicates``): that is where it is
    said that its earlier life ended as PREEMPTED or NODE_FAIL.

    Raises:
        AccountingOff: accounting is not set up here, or sacct is not installed.
        SchedulerError: sacct failed.
    """
    asked = ",".join(sorted({base_id(job) for job in job_ids}))
    if not asked:
        return []
    args = [
        "--noheader", "--parsable2", "--allocations", "--duplicates",
        # Without it a requeued job's earlier records, or yesterday's jobs, may be left out.
        "--starttime=2000-01-01",
        f"--jobs={asked}", f"--format={','.join(_FIELDS)}",
    ]  # fmt: skip
    try:
        return parse_sacct(run_slurm("sacct", args, slurm_bin=slurm_bin, timeout_s=timeout_s))
    except CommandMissing as error:
        raise AccountingOff(error.message) from error
    except CommandFailed as error:
        if "accounting storage is disabled" in error.stderr:
            raise AccountingOff(error.message) from error
        raise


def parse_sacct(text: str) -> list[JobState]:
    """Read lines of JobID|State|ExitCode|Reason|NodeList|Start|End; others are left out.

    Steps (``57.batch``) are left out too. A record that is not over has no exit code, though
    sacct prints ``0:0`` for it. One that is over has no reason: what sacct prints is why it
    waited before it ran.
    """
    states = []
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) < len(_FIELDS) or "." in fields[0]:
            continue
        job, state, code, nodes, start, end = *fields[:3], *fields[-3:]
        word = read_state(state)
        for element in expand_job(job):
            record = JobState(
                job_id=element,
                state=word,
                reason=read_reason("|".join(fields[3:-3])),
                nodes=expand_hosts(nodes),
                started_at=read_time(start),
                ended_at=read_time(end),
            )
            if record.phase == "ended":
                exit_code, signal = read_exit(code)
                record = replace(record, exit_code=exit_code, signal=signal, reason="")
            states.append(record)
    return states
