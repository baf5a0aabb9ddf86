"""Ask why one job waits. In a module of its own, because worker nodes import it.

Worker nodes have the standard library only, and `hpckit.slurm.squeue` needs ClusterShell.
"""

from __future__ import annotations

from hpckit.slurm.command import run_slurm


def why_waiting(job_id: str, *, slurm_bin: str) -> str:
    """Return Slurm's reason why a job waits in the queue, ``""`` if it does not wait.

    Source: https://slurm.schedmd.com/squeue.html (%T, %r).

    Raises:
        SchedulerError: squeue failed, for example because it no longer knows the job.
    """
    shown = run_slurm("squeue", ["-h", "-j", job_id, "-o", "%T %r"], slurm_bin=slurm_bin)
    state, _, reason = shown.strip().partition(" ")
    return reason.strip("()") if state == "PENDING" else ""
