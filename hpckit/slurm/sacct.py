"""Ask accounting for jobs by sacct. https://slurm.schedmd.com/sacct.html"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hpckit.errors import SchedulerError
from hpckit.slurm.command import CommandFailed, CommandMissing, run_slurm
from hpckit.slurm.hostlist import base_id, expand_hosts, expand_job
from hpckit.slurm.states import JobState, read_exit, read_reason, read_state, read_time

_FIELDS = ("JobID", "State", "ExitCode", "Reason", "NodeList", "Start", "End")


class AccountingOff(SchedulerError):
    """Accounting is off here, so jobs that the controller has forgotten are unknown."""


def sacct(job_ids: Sequence[str], *, slurm_bin: str, timeout_s: float = 60.0) -> list[JobState]:
    """Return every record of these jobs in accounting, oldest first.

    A requeued job has a record for each time it ran (``--duplicates``). Only there Slurm tells
    that an earlier run ended as PREEMPTED or NODE_FAIL.

    Raises:
        AccountingOff: accounting is not set up here, or sacct is not installed.
        SchedulerError: sacct failed.
    """
    asked = ",".join(sorted({base_id(job) for job in job_ids}))
    if not asked:
        return []
    args = [
        "--noheader", "--parsable2", "--allocations", "--duplicates",
        # Otherwise sacct may leave out earlier records of a requeued job, and yesterday's jobs.
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

    Steps (``57.batch``) are left out too. A record that has not ended has no exit code, although
    sacct prints ``0:0``. A record that has ended has no reason, because sacct prints the reason
    why the job waited before it ran.
    """
    states = []
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) < len(_FIELDS) or "." in fields[0]:
            continue
        job, state, code, nodes, start, end = *fields[:3], *fields[-3:]
        for element in expand_job(job):
            record = JobState(
                job_id=element,
                state=read_state(state),
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
