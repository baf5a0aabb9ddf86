"""`hpckit wait`: wait until a run has ended."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from hpckit.cli import console
from hpckit.cli.options import Json, Run, measured
from hpckit.errors import HpckitError
from hpckit.model.units import parse_duration_s


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
    from hpckit.cli.progress import EXIT_CODES, FOREVER, await_end, follow
    from hpckit.report import status_text
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    deadline = time.monotonic() + timeout if timeout else FOREVER
    if as_json:
        found = await_end(run_dir, deadline)
        console.document(status_text.run_document(found))
        code = EXIT_CODES.get(found.state)
    else:
        code = follow(run_dir, deadline)
    if code is None:
        name = run_dir.root.name
        raise StillRunning(
            f"run {name} has not ended within {timeout} s; it goes on",
            hint=f"See how it stands with `hpckit status {name}`.",
        )
    return code
