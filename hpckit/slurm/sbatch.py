"""Submit and cancel jobs by sbatch and scancel. https://slurm.schedmd.com/sbatch.html"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hpckit.errors import SchedulerError
from hpckit.slurm.command import CommandFailed, run_slurm

#: What to do about an error of sbatch; the first entry that matches becomes the hint.
_HINTS = (
    ("Invalid account", "Name an account with --account, or in the site."),
    ("Invalid qos", "Name another QOS with --qos."),
    ("invalid partition", "Name another partition with --partition; `sinfo` lists them."),
    ("time limit is invalid", "Ask for less with --walltime."),
    ("AssocMaxSubmitJobLimit", "You have as many jobs as your account lets you; wait, or cancel."),
    ("QOSMaxSubmitJobPerUserLimit", "You have as many jobs as the QOS lets you; wait, or cancel."),
    ("Memory specification can not", "Ask for less with --memory, or suppress it in the site."),
    ("Requested node configuration", "No node is that large: ask for less with --cores, --memory."),
    ("Unable to contact", "The controller does not answer; try again later."),
)


def sbatch(script: Path, *, slurm_bin: str, args: Sequence[str] = ()) -> str:
    """Submit a script and return its job id.

    Args:
        script: a batch script; `args` override its directives.
        slurm_bin: the directory of sbatch; ``""`` means PATH.
        args: further options, each one argument, such as ``"--array=0-3"``.

    Raises:
        SchedulerError: sbatch refused, or what it printed holds no job id.
    """
    options = ["--parsable", *args, str(script)]
    try:
        return parse_job_id(run_slurm("sbatch", options, slurm_bin=slurm_bin))
    except CommandFailed as error:
        hint_text = next((hint for found, hint in _HINTS if found in error.stderr), "")
        raise CommandFailed(error.argv, error.exit_code, error.stderr, hint=hint_text) from error


def parse_job_id(text: str) -> str:
    """Return the id that ``sbatch --parsable`` prints: ``57`` or ``57;cluster``, after any notice.

    Raises:
        SchedulerError: there is none.
    """
    for line in reversed(text.splitlines()):
        if match := re.fullmatch(r"(\d+)(?:;\S+)?", line.strip()):
            return match[1]
    raise SchedulerError(
        f"sbatch accepted the script but printed no job id: {text!r}",
        hint="Look with `squeue --me` whether the job is there.",
    )


def scancel(job_ids: Sequence[str], *, slurm_bin: str, state: str = "") -> None:
    """Cancel jobs, arrays or elements; it is no error if some have ended already.

    Args:
        job_ids: ``57``, ``57_3``.
        slurm_bin: the directory of scancel; ``""`` means PATH.
        state: only those in this state, such as ``"PENDING"``.

    Raises:
        SchedulerError: scancel failed for another reason.
    """
    if not job_ids:
        return
    options = [f"--state={state}"] if state else []
    try:
        run_slurm("scancel", [*options, *job_ids], slurm_bin=slurm_bin)
    except CommandFailed as error:
        harmless = ("Invalid job id", "already completing", "already completed")
        lines = error.stderr.splitlines()
        if not lines or not all(any(text in line for text in harmless) for line in lines):
            raise
