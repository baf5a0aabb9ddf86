"""Commands that act on a run that exists: wait, cancel, resume, rm."""

from __future__ import annotations

import shutil
import time
from typing import Annotated

import typer

from hpckit.cli import say
from hpckit.cli.options import Json, Run
from hpckit.errors import InputError, StorageError


def wait(
    run: Run = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help='Give up after this, such as "2h".')
    ] = None,
    as_json: Json = False,
) -> int:
    """Wait until a run has ended; exit with its code.

    Example: hpckit wait sea-ice-20261121-2030 && hpckit results --csv > table.csv
    """
    from hpckit.cli.follow import EXIT_CODES, await_end, follow
    from hpckit.run.locate import find_run
    from hpckit.spec.units import parse_duration_s

    run_dir = find_run(run)
    if timeout is None and not as_json:
        return follow(run_dir)
    limit_s = parse_duration_s(timeout) if timeout else float("inf")
    found = await_end(run_dir, time.monotonic() + limit_s)
    if found is None:
        raise StorageError(
            f"run {run_dir.root.name} has not ended within {timeout}; it goes on",
            hint="See how it stands with `hpckit status`.",
        )
    if as_json:
        say.document(found.to_dict())
    return EXIT_CODES[found.word]


def cancel(run: Run = None, as_json: Json = False) -> int:
    """Cancel a run: its jobs end, what is done stays done, `resume` can go on later.

    Example: hpckit cancel sea-ice-20261121-2030
    """
    from hpckit.launch.control import cancel_run
    from hpckit.run.locate import find_run
    from hpckit.run.status import FINAL, read_status

    run_dir = find_run(run)
    before = read_status(run_dir)
    if before.word in FINAL and before.word != "stopped":  # of that, workers may still wait
        say.note(f"{before.plan.run} has ended already: it is {before.word}")
    else:
        cancel_run(run_dir)
    after = read_status(run_dir)
    if as_json:
        say.document(after.to_dict())
    else:
        say.note(f"{after.plan.run} is {after.word}; {after.counts.done} tasks are done")
    return 0


def resume(
    run: Run = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Run the tasks again that failed for good, too.")
    ] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Run the tasks again whose inputs changed, too.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it live; take its code.")] = False,
    as_json: Json = False,
) -> int:
    """Go on with a run that has stopped, with what is not done.

    Example: hpckit resume --failed --wait
    """
    from hpckit.cli.follow import follow
    from hpckit.launch.control import resume_run
    from hpckit.run.locate import find_run
    from hpckit.run.status import read_status

    run_dir = find_run(run)
    outcome = resume_run(run_dir, failed=failed, changed=changed)
    for note in outcome.notes:
        say.note(note)
    if as_json:
        say.document(read_status(run_dir).to_dict())
    elif outcome.jobs:
        say.line(run_dir.root.name)
    return follow(run_dir) if wait else 0


def remove(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's name.")],
    as_json: Json = False,
) -> None:
    """Remove the record of a run that has ended; the tasks' outputs stay.

    Example: hpckit rm sea-ice-20261121-2030
    """
    from hpckit.run.locate import find_run
    from hpckit.run.status import FINAL, read_status

    run_dir = find_run(run)
    found = read_status(run_dir)
    if found.word not in FINAL:
        raise InputError(
            f"run {found.plan.run} is {found.word}; only what has ended can be removed",
            hint=f"End it first: `hpckit cancel {found.plan.run}`.",
        )
    try:
        shutil.rmtree(run_dir.root)
    except OSError as error:
        raise StorageError(f"cannot remove {run_dir.root}: {error}") from error
    if as_json:
        say.document({"schema": "hpckit.rm/1", "run": found.plan.run, "removed": True})
    else:
        say.note(f"removed {run_dir.root}")
