"""Ask the controller for jobs by squeue. https://slurm.schedmd.com/squeue.html"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hpckit.slurm.command import CommandFailed, run_slurm
from hpckit.slurm.hostlist import base_id, expand_hosts, expand_job
from hpckit.slurm.states import JobState, read_reason, read_state, read_time

#: squeue(1) --format: job or array element, state, reason, nodes, start, expected end.
_FORMAT = "%i|%T|%r|%N|%S|%e"


def squeue(job_ids: Sequence[str], *, slurm_bin: str, timeout_s: float = 60.0) -> list[JobState]:
    """Return the states of these jobs, including those that ended a few minutes ago.

    Arrays are returned whole, one state for each element. Jobs that the controller has forgotten
    are left out (``MinJobAge`` in slurm.conf(5), 300 s by default).

    Raises:
        SchedulerError: squeue failed for another reason than unknown jobs.
    """
    asked = ",".join(sorted({base_id(job) for job in job_ids}))
    if not asked:
        return []
    args = ["--noheader", "--array", "--states=all", f"--jobs={asked}", f"--format={_FORMAT}"]
    try:
        text = run_slurm("squeue", args, slurm_bin=slurm_bin, timeout_s=timeout_s)
    except CommandFailed as error:
        if "Invalid job id" in error.stderr:  # squeue fails only if it knows none of them
            return []
        raise
    return parse_squeue(text)


def parse_squeue(text: str) -> list[JobState]:
    """Read lines of ``%i|%T|%r|%N|%S|%e``; a line with fewer fields is left out.

    A reason may contain a bar (``ReqNodeNotAvail, UnavailableNodes:n1|n2``), so the fields are
    counted from both ends.
    """
    states = []
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) < 6:
            continue
        job, state, nodes, start, end = fields[0], fields[1], *fields[-3:]
        common = JobState(
            job_id="",
            state=read_state(state),
            reason=read_reason("|".join(fields[2:-3])),
            nodes=expand_hosts(nodes),
            started_at=read_time(start),
            ended_at=read_time(end),
        )
        states += [replace(common, job_id=element) for element in expand_job(job)]
    return states
