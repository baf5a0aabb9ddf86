"""Run ``scontrol requeue``. In a module of its own, because worker nodes import it.

Worker nodes have the standard library only, and `hpckit.slurm.scontrol` needs ClusterShell.
"""

from __future__ import annotations

from hpckit.slurm.command import run_slurm


def requeue(job_id: str, *, slurm_bin: str) -> None:
    """Put a running job back into the queue under the same id; its steps get SIGTERM.

    It works from any node of the job, and for a job that ``--no-kill`` has kept alive after
    the loss of its first node (ran: 22.05).
    Source: https://slurm.schedmd.com/scontrol.html

    Raises:
        SchedulerError: scontrol refused, for example because the job has ended.
    """
    run_slurm("scontrol", ["requeue", job_id], slurm_bin=slurm_bin)
