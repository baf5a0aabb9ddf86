"""`hpckit submit`: plan, render, submit."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hpckit.cli import console
from hpckit.cli import submit_options as opt
from hpckit.cli.interrupts import when_interrupted
from hpckit.cli.options import Json, Walltime
from hpckit.errors import InputError

if TYPE_CHECKING:
    from hpckit.launch.render import Script
    from hpckit.launch.request import RunOptions
    from hpckit.model.bag import Bag
    from hpckit.model.plan import Plan
    from hpckit.model.site_files import ResolvedSite
    from hpckit.run.rundir import RunDir


_NOTHING = "nothing is submitted"


def submit(  # noqa: PLR0913, PLR0917 - one parameter for each option
    context: typer.Context,
    bag: opt.Bag = None,
    backend: opt.Backend = None,
    site: opt.Site = None,
    shape: opt.Shape = None,
    nodes: opt.Nodes = None,
    min_workers: opt.MinWorkers = None,
    max_workers: opt.MaxWorkers = None,
    max_failures: opt.MaxFailures = "",
    cores: opt.Cores = None,
    memory: opt.Memory = None,
    walltime: Walltime = None,
    partition: opt.Partition = "",
    worker_partition: opt.WorkerPartition = "",
    account: opt.Account = "",
    qos: opt.Qos = "",
    sbatch: opt.Sbatch = None,
    sets: opt.Sets = None,
    name: opt.Name = "",
    each_line: opt.EachLine = None,
    range_: opt.Range = None,
    dry_run: opt.DryRun = False,
    wait: opt.Wait = False,
    as_json: Json = False,
) -> int:
    """Submit a bag of tasks; print the run's name.

    Example: hpckit submit jobs/sea_ice.toml --backend ray --wait

    Example: hpckit submit --each-line files.txt -- gzip -9 {line}

    Example: hpckit submit --range 1-100 --dry-run -- ./simulate --seed {index}
    """
    from hpckit import api
    from hpckit.cli.progress import follow

    with when_interrupted(lambda: f"interrupted; {_NOTHING}"):
        asked = _bag(context.obj, bag, each_line, range_, name, dict(sets or ()))
        resolved, chosen = api.find_site(site)
        console.notes(chosen)
        plan = api.plan_run(asked, resolved.site, options := _options(context.params))
    console.notes(*plan.notes)
    if dry_run:
        console.notes(api.check_inputs(asked))
        _print_plan(plan, is_started=False, as_json=as_json)
        return 0
    plan, run_dir = _start(asked, resolved, plan, options)
    _print_plan(plan, is_started=True, as_json=as_json)
    return follow(run_dir) or 0 if wait else 0


def _options(params: Mapping[str, Any]) -> RunOptions:
    """Return the options that go into the plan, from those of the command line."""
    from hpckit.launch.request import RunOptions

    named = {"memory": "memory_mib", "walltime": "walltime_s"}
    found = {named.get(name, name): value for name, value in params.items()}
    found["sbatch"] = tuple(found["sbatch"] or ())
    return RunOptions(**{field.name: found[field.name] for field in fields(RunOptions)})


def _start(bag: Bag, site: ResolvedSite, plan: Plan, options: RunOptions) -> tuple[Plan, RunDir]:
    """Start the run, under another name if its own was taken just now; print the notes."""
    from hpckit import api

    def left_behind() -> str:
        left = f"what was submitted is cancelled: `hpckit status {plan.run}`"
        return f"interrupted; {left if Path(plan.run_dir).exists() else _NOTHING}"

    with when_interrupted(left_behind):
        plan, started = api.start_under_free_name(bag, site, plan, options)
    console.notes(*started.notes)
    return plan, started.run_dir


def _print_plan(plan: Plan, *, is_started: bool, as_json: bool) -> None:
    """Print the plan's document; else of a started run its name, of another one everything."""
    from hpckit.launch.render import render

    if as_json:
        console.document(_document(plan, render(plan)))
    elif is_started:
        console.line(plan.run)
    else:
        _show(plan, render(plan))
    console.flush()


def _bag(
    command: list[str] | None,
    bag: Path | None,
    each_line: str | None,
    range_: str | None,
    name: str,
    sets: Mapping[str, str],
) -> Bag:
    from hpckit.model.bag import bag_from_command, load_bag

    if command is None:
        if bag is None:
            raise InputError(
                "there is nothing to run",
                hint="Name a bag, `hpckit submit BAG.toml`, or a command after --: "
                "`hpckit submit --range 1-10 -- echo {index}`.",
            )
        _refuse_program(bag)
        if each_line is not None or range_ is not None:
            raise InputError(
                "--each-line and --range go with a command after --, not with a bag file",
                hint="In a bag file, write the lines or the range under [each].",
            )
        return load_bag(bag, sets)
    if bag is not None:
        raise InputError(
            f"both a bag ({bag}) and a command after -- are given",
            hint="Give one of them; options of hpckit go before --.",
        )
    _warn_of_options(command)
    return bag_from_command(
        command,
        lines=None if each_line is None else _lines(each_line),
        range_=range_,
        name=name or None,
        cwd=Path.cwd(),
        sets=sets,
    )


def _refuse_program(bag: Path) -> None:
    """Refuse a program's name in the bag's place: the -- before it was forgotten."""
    from hpckit.model.paths import path_exists

    if not path_exists(bag) and bag.suffix != ".toml" and shutil.which(str(bag)):
        raise InputError(
            f"{bag} is no bag file, but a program",
            hint=f"A command goes after --: `hpckit submit -- {bag} ARG…`.",
        )


def _warn_of_options(command: Sequence[str]) -> None:
    """Print a note if the command has words that look like options meant for hpckit."""
    ours = {"--dry-run", "--wait", "--site", "--backend", "--each-line", "--range", "--shape"}
    meant = [word for word in command if word.partition("=")[0] in ours]
    if meant:
        console.note(
            f"{', '.join(meant)}: behind --, so part of the command; hpckit's stand before it"
        )


def _lines(source: str) -> list[str]:
    from hpckit.model.sweep import read_lines

    where = "stdin" if source == "-" else source
    if source == "-" and sys.stdin is None:
        raise InputError("--each-line -: there is no stdin to read")
    try:
        with nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as stream:
            lines = list(read_lines(stream, where))
    except OSError as error:
        raise InputError(f"--each-line: cannot read {where}: {error.strerror}") from error
    if not lines:
        raise InputError(f"{where} holds no lines, so no tasks")
    return lines


def _document(plan: Plan, scripts: tuple[Script, ...]) -> dict[str, Any]:
    texts = [{"name": script.name, "text": script.text} for script in scripts]
    return {
        "schema": "hpckit.submit/1",
        "run": plan.run,
        "run_dir": plan.run_dir,
        "notes": list(plan.notes),
        "plan": json.loads(plan.to_json()),
        "scripts": texts,
    }


def _show(plan: Plan, scripts: tuple[Script, ...]) -> None:
    from hpckit.model.units import counted

    size = plan.worker
    tasks = counted(plan.tasks, "task")
    console.line(f"run        {plan.run}: {tasks}, {plan.backend}, {plan.shape} shape")
    console.line(f"site       {plan.site}")
    console.line(f"workers    {plan.workers} of {size.cores} cores, {size.memory_mib} MiB")
    console.line(f"directory  {plan.run_dir}")
    for script in scripts:
        console.line(f"\n==> {script.name} <==")
        console.raw(script.text)
