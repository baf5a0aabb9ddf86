"""Commands that act on a run that exists: wait, cancel, resume, rm."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hpckit.cli import console
from hpckit.cli.options import Json, Run, Walltime, measured
from hpckit.errors import HpckitError, InputError, SchedulerError, StorageError
from hpckit.model.units import parse_duration_s

if TYPE_CHECKING:
    from hpckit.run.rundir import RunDir
    from hpckit.run.status import RunStatus

_JOBS_LEAVE_S: Final = 30.0  # that the jobs of a run which has ended may take to leave


class StillRunning(HpckitError):
    """The time that `wait` was given is over, and the run is not."""


def wait(
    run: Run = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout",
            metavar="TIME",
            parser=measured("--timeout", parse_duration_s),
            help='Give up after this, such as "2h"; the run goes on. Exit code 3.',
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Wait until a run has ended; exit with its code.

    Example: hpckit wait sea-ice-20261121-2030 --timeout 2h
    """
    from hpckit.cli import status_text
    from hpckit.cli.progress import EXIT_CODES, FOREVER, await_end, follow
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    deadline = time.monotonic() + timeout if timeout else FOREVER
    if as_json:
        found = await_end(run_dir, deadline)
        console.document(status_text.run_document(found))
        code = EXIT_CODES.get(found.word)
    else:
        code = follow(run_dir, deadline)
    if code is None:
        name = run_dir.root.name
        raise StillRunning(
            f"run {name} has not ended within {timeout} s; it goes on",
            hint=f"See how it stands with `hpckit status {name}`.",
        )
    return code


def cancel(run: Run = None, as_json: Json = False) -> int:
    """Cancel a run; what is done stays done.

    Its jobs end. `hpckit resume` can go on with it later.

    Example: hpckit cancel sea-ice-20261121-2030
    """
    from hpckit.cli import status_text
    from hpckit.launch.resume import cancel_run
    from hpckit.run.find_run import find_run
    from hpckit.run.status import FINAL, read_status

    run_dir = find_run(run)
    before = read_status(run_dir)
    ended = before.word in FINAL and before.word != "stopped"  # that one can be resumed
    if ended and not _live_jobs(before) and not before.silent:
        console.note(f"{before.plan.run} has ended already")
    else:
        cancel_run(run_dir)
    after = read_status(run_dir)
    if as_json:
        console.document(status_text.run_document(after))
    else:
        counts = after.counts
        console.note(
            f"{after.plan.run} is {after.word}: {counts.done} of {after.plan.tasks} tasks done"
        )
        if counts.waiting + counts.running:
            console.note(f"Go on with what is left: `hpckit resume {after.plan.run}`")
    return 0


def resume(  # noqa: PLR0913, PLR0917 - one parameter for each option
    run: Run = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Run the tasks again that failed for good, too.")
    ] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Run the tasks again whose inputs changed, too.")
    ] = False,
    missing: Annotated[
        bool, typer.Option("--missing", help="Run the tasks again whose outputs are gone, too.")
    ] = False,
    walltime: Walltime = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it live; take its code.")] = False,
    as_json: Json = False,
) -> int:
    """Go on with a run that has ended, with what is not done.

    Example: hpckit resume --failed --wait
    """
    from hpckit.cli import status_text
    from hpckit.cli.progress import follow
    from hpckit.launch.resume import resume_run
    from hpckit.run.find_run import find_run
    from hpckit.run.status import read_status

    run_dir = find_run(run)
    outcome = resume_run(
        run_dir, failed=failed, changed=changed, missing=missing, walltime_s=walltime
    )
    for note in outcome.notes:
        console.note(note)
    if as_json:
        console.document(status_text.run_document(read_status(run_dir)))
    elif outcome.jobs:
        console.line(run_dir.root.name)
    console.flush()
    return follow(run_dir) or 0 if wait else 0


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
        if found.word not in FINAL:
            raise InputError(
                f"run {name} is {found.word}; only what has ended can be removed",
                hint=f"End it first: `hpckit cancel {name}`.",
            )
        if found.silent:
            raise SchedulerError(
                f"whether jobs of {name} are left cannot be found out: {found.silent}",
                hint="Try again when it answers; without the record nobody would know them.",
            )
        jobs = _live_jobs(found)
        if not jobs:
            return
        if found.word == "stopped" or time.monotonic() > deadline:
            raise InputError(
                f"run {name} is {found.word}, but {jobs} of its jobs are still there",
                hint=f"End them first: `hpckit cancel {name}`.",
            )
        if not said:
            console.note(f"waiting for {jobs} jobs of {name} to leave")
            said = True
        time.sleep(1.0)


def _live_jobs(found: RunStatus) -> int:
    """Return how many jobs and array elements of a run wait or run."""
    return sum(1 for state in found.slurm.values() if state.phase in ("waiting", "running"))
