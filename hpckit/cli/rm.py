"""`hpckit rm`: remove the record of a run."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hpckit.cli import console
from hpckit.cli.options import Json
from hpckit.errors import InputError, SchedulerError, StorageError

if TYPE_CHECKING:
    from hpckit.run.rundir import RunDir

_JOBS_LEAVE_S: Final = 30.0  # that the jobs of a run which has ended may take to leave


def remove(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's name; there is no default.")],
    as_json: Json = False,
) -> None:
    """Remove the record of a run; its outputs stay.

    The run must have ended. What goes: journal, logs, captured output, results table.

    Example: hpckit rm sea-ice-20261121-2030
    """
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    name = run_dir.root.name
    _check_removable(run_dir)
    try:
        shutil.rmtree(run_dir.root)
    except OSError as error:
        raise StorageError(f"cannot remove {run_dir.root}: {error}") from error
    if as_json:
        console.document({"schema": "hpckit.rm/1", "run": name, "removed": True})
    else:
        console.note(f"removed {run_dir.root}")


def _check_removable(run_dir: RunDir) -> None:
    """Refuse while the run goes on; give the jobs of an ended one a moment to leave.

    Raises:
        InputError: it has not ended, or jobs are left that write there.
        SchedulerError: Slurm does not say whether any are.
    """
    from hpckit.run.status import FINAL, read_status

    deadline, said = time.monotonic() + _JOBS_LEAVE_S, False
    while True:
        found = read_status(run_dir)
        name = found.plan.run
        if found.state not in FINAL:
            raise InputError(
                f"run {name} is {found.state}; only what has ended can be removed",
                hint=f"End it first: `hpckit cancel {name}`.",
            )
        if found.slurm_error:
            raise SchedulerError(
                f"whether jobs of {name} are left cannot be found out: {found.slurm_error}",
                hint="Try again when it answers; without the record they would be unknown.",
            )
        jobs = found.live_jobs
        if not jobs:
            return
        if found.state == "stopped" or time.monotonic() > deadline:
            raise InputError(
                f"run {name} is {found.state}, but {jobs} of its jobs are still there",
                hint=f"End them first: `hpckit cancel {name}`.",
            )
        if not said:
            console.note(f"waiting for {jobs} jobs of {name} to leave")
            said = True
        time.sleep(1.0)
