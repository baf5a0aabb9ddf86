"""Ask why one job waits. Apart from `hpckit.slurm.squeue`, so that worker nodes can import it."""

from __future__ import annotations

from hpckit.slurm.command import run_slurm


def why_waiting(job_id: str, *, slurm_bin: str) -> str:
    """Return Slurm's word for why a job waits in the queue, ``""`` when it does not wait.

    Source: https://slurm.schedmd.com/squeue.html (%T, %r).

    Raises:
        SchedulerError: squeue failed, because it does not know the job any more, say.
    """
    shown = run_slurm("squeue", ["-h", "-j", job_id, "-o", "%T %r"], slurm_bin=slurm_bin)
    state, _, reason = shown.strip().partition(" ")
    return reason.strip("()") if state == "PENDING" else ""
