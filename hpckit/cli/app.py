"""The tree of commands. Each module beside this one holds some of them."""

from __future__ import annotations

from typing import Annotated

import typer

from hpckit.cli import act, bench, demo, emulate, explain, look, site, submit, workers

app = typer.Typer(
    name="hpckit",
    help="Run a bag of independent tasks on any Slurm cluster, through Work Queue or Ray.\n\n"
    "Example: hpckit submit jobs/sea_ice.toml --backend ray --wait\n\n"
    "Exit codes: 0 well; 1 tasks failed; 2 wrong usage or input; 3 the scheduler, an engine or "
    "storage failed; 130, 143 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # a bug's traceback is to be read and sent as it is
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from hpckit import __version__
        from hpckit.cli import console

        console.line(f"hpckit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print hpckit's version."),
    ] = False,
) -> None:
    pass


app.command("submit")(submit.submit)
app.command("list")(look.list_runs)
app.command("status")(look.status)
app.command("logs")(look.logs)
app.command("failures")(look.failures)
app.command("results")(look.results)
app.command("explain")(explain.explain)
app.command("wait")(act.wait)
app.command("cancel")(act.cancel)
app.command("resume")(act.resume)
app.command("rm")(act.remove)
app.add_typer(workers.app, name="workers")
app.add_typer(site.app, name="site")
app.add_typer(emulate.app, name="emulate")
app.command("demo")(demo.demo)
app.add_typer(bench.app, name="bench")
