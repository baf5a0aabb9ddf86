"""`hpckit status`: the state of a run, or of one of its tasks."""

from __future__ import annotations

from typing import Annotated

import typer

from hpckit.cli import console
from hpckit.cli.options import Json, Run, TaskIndex
from hpckit.errors import InputError


def status(
    run: Run = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it ends.")] = False,
    task: TaskIndex = None,
    as_json: Json = False,
) -> int:
    """Say how a run stands, or one of its tasks.

    Tasks, pace, head, workers and jobs, and what to type next.

    Example: hpckit status sea-ice-20261121-2030 --watch
    """
    from hpckit.report import status_text
    from hpckit.run.find_run import find_run
    from hpckit.run.status import read_status

    run_dir = find_run(run)
    if watch and (as_json or task is not None):
        raise InputError(
            "--watch goes with neither --json nor --task",
            hint="To wait and then get the document: `hpckit wait --json`.",
        )
    if watch:
        from hpckit.cli.progress import follow

        return follow(run_dir) or 0
    found = read_status(run_dir)
    if task is not None:
        body = status_text.task_document(found, task)
        console.document(body) if as_json else console.lines(status_text.task_lines(body))
    elif as_json:
        console.document(status_text.run_document(found))
    else:
        console.lines(status_text.run_lines(found))
    return 0
