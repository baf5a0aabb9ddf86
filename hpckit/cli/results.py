"""`hpckit results`: the table of results."""

from __future__ import annotations

from typing import Annotated

import typer

from hpckit.cli import console
from hpckit.cli.options import All, Json, Run
from hpckit.errors import InputError


def results(
    run: Run = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    every: All = False,
    as_json: Json = False,
) -> None:
    """Print the table of results, a row for each done task.

    Its parameters, what it printed as JSON on its last line, and its wall time.

    Example: hpckit results --csv > sea-ice.csv
    """
    from hpckit.report.results import results_table, to_csv
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    name = run_dir.root.name
    if as_csv and as_json:
        raise InputError("--csv and --json are two forms of one table", hint="Give one of them.")
    table = results_table(run_dir)
    if as_json:
        body = {"schema": "hpckit.results/1", "run": name}
        console.document({**body, "columns": table.columns, "rows": table.rows})
    elif as_csv:
        console.raw(to_csv(table))
    elif not table.rows:
        console.note(f"no task of {name} is done yet; see `hpckit status {name}`")
    else:
        cut = console.table(
            table.columns,
            ([row.get(c) for c in table.columns] for row in table.rows),
            most=console.SCREEN_ROWS if console.on_terminal() and not every else None,
        )
        if cut:
            console.note(
                f"and {cut} more rows: --all shows them, --csv and --json give them to programs"
            )
