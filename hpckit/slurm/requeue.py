"""scontrol requeue. Apart from `hpckit.slurm.scontrol`, so that worker nodes can import it."""

from __future__ import annotations

from hpckit.slurm.command import run_slurm


def requeue(job_id: str, *, slurm_bin: str) -> None:
    """Put a running job back into the queue, under the same id; its steps hear TERM.

    It works from any node of the job, and for a job that ``--no-kill`` has kept alive after
    the loss of its first node (ran: 22.05).
    Source: https://slurm.schedmd.com/scontrol.html

    Raises:
        SchedulerError: scontrol refused, because the job is over or may not be requeued, say.
    """
    run_slurm("scontrol", ["requeue", job_id], slurm_bin=slurm_bin)
