"""`hpckit bench`: the engines measured on the same bag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hpckit.cli.options import Json

app = typer.Typer(
    help="Measure the engines on the same bag.\n\nExample: hpckit bench baseline",
    no_args_is_help=True,
)
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where the results go, and come from.")
]


@app.command("summary")
def summary(out: Out = Path("results"), as_json: Json = False) -> int:
    """Gather what was measured into one table, and draw it.

    Example: hpckit bench summary
    """
    from hpckit.bench.summary import main

    return main(out, as_json)
