"""The tree of commands: each has a module of its name beside this one."""

from __future__ import annotations

from typing import Annotated

import typer

from hpckit.cli import (
    bench,
    cancel,
    demo,
    emulate,
    explain,
    failures,
    list,
    logs,
    results,
    resume,
    rm,
    site,
    status,
    submit,
    wait,
    workers,
)

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
app.command("list")(list.list_runs)
app.command("status")(status.status)
app.command("logs")(logs.logs)
app.command("failures")(failures.failures)
app.command("results")(results.results)
app.command("explain")(explain.explain)
app.command("wait")(wait.wait)
app.command("cancel")(cancel.cancel)
app.command("resume")(resume.resume)
app.command("rm")(rm.remove)
app.add_typer(workers.app, name="workers")
app.add_typer(site.app, name="site")
app.add_typer(emulate.app, name="emulate")
app.command("demo")(demo.demo)
app.add_typer(bench.app, name="bench")
