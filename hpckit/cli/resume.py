"""`hpckit resume`: go on with a run that has ended."""

from __future__ import annotations

from typing import Annotated

import typer

from hpckit.cli import console
from hpckit.cli.options import Json, Run, Walltime


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
    from hpckit.cli.progress import follow
    from hpckit.launch.resume import resume_run
    from hpckit.report import status_text
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
