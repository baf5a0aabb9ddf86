"""`hpckit workers`: change how many workers a run has, or start one by hand."""

from __future__ import annotations

import shlex
import time
from typing import Annotated

import typer

from hpckit.cli import console
from hpckit.cli.options import Json, Run, whole_number
from hpckit.errors import InputError
from hpckit.model.units import counted

app = typer.Typer(
    help="Add, drop or start a run's workers.\n\nExample: hpckit workers add 4",
    no_args_is_help=True,
)


Count = Annotated[
    int, typer.Argument(metavar="N", parser=whole_number("N", least=1), help="How many.")
]


@app.command("add")
def add(
    count: Count,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Submit more workers.

    They are submitted from here, so this works also where compute nodes may not submit.

    Example: hpckit workers add 4 sea-ice-20261121-2030
    """
    from hpckit.launch.workers import add_workers
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    jobs = add_workers(run_dir, count)
    if as_json:
        ids = [job.job_id for job in jobs]
        console.document({"schema": "hpckit.workers/1", "run": run_dir.root.name, "submitted": ids})
    else:
        console.note(
            f"submitted {counted(count, 'worker')}: job {', '.join(job.job_id for job in jobs)}"
        )


@app.command("drop")
def drop(
    count: Count,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Take workers away.

    First those that wait, then those that run, which leave in order.

    Example: hpckit workers drop 2
    """
    from hpckit.launch.workers import drop_workers
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    dropped = drop_workers(run_dir, count)
    if as_json:
        console.document(
            {"schema": "hpckit.workers/1", "run": run_dir.root.name, "dropped": dropped}
        )
    else:
        said = f"; there were no more than these, {count} were asked for"
        short = said if len(dropped) < count else ""
        console.note(
            f"dropped {counted(len(dropped), 'worker')}: {', '.join(dropped) or 'none'}{short}"
        )


@app.command("command")
def command(run: Run = None, as_json: Json = False) -> None:
    """Print the line that starts a worker by hand.

    It works on any node that sees the run directory.

    Example: hpckit workers command
    """
    from hpckit.common.processes import python_module
    from hpckit.engines.registry import ENGINES
    from hpckit.run.find_run import find_run
    from hpckit.run.status import FINAL, read_status

    run_dir = find_run(run)
    plan = run_dir.read_plan()
    if not ENGINES[plan.backend].joins:
        raise InputError(
            "the pool has no workers to start by hand; it is the head itself",
            hint="Workers join a run of --backend workqueue or ray.",
        )
    argv = [*python_module("hpckit.worker", python=plan.python), str(run_dir.root)]
    if as_json:
        body = {"schema": "hpckit.workers/1", "run": plan.run, "command": argv, "at": time.time()}
        console.document(body)
    else:
        console.line(shlex.join(argv))
        console.note(
            "It starts the engine's worker with the runner beside it, and leaves at the end."
        )
        word = read_status(run_dir).state
        if word in FINAL:
            console.note(f"Run {plan.run} is {word}: there is no head to join until it is resumed.")
