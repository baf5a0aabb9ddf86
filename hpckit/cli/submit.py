"""`hpckit submit`: plan, render, submit."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hpckit.cli import console
from hpckit.cli import submit_options as opt
from hpckit.cli.interrupts import when_interrupted
from hpckit.cli.options import Json, Walltime
from hpckit.errors import InputError, RunExistsError

if TYPE_CHECKING:
    from hpckit.launch.render import Script
    from hpckit.launch.request import Request
    from hpckit.model.bag import Bag
    from hpckit.model.plan import Plan
    from hpckit.model.site_files import ResolvedSite, Site
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
    flags = {
        "backend": backend, "shape": shape, "nodes": nodes, "cores": cores,
        "min_workers": min_workers, "max_workers": max_workers, "max_failures": max_failures,
        "memory_mib": memory, "walltime_s": walltime, "partition": partition,
        "worker_partition": worker_partition,
        "account": account, "qos": qos, "sbatch": tuple(sbatch or ()), "name": name,
    }  # fmt: skip
    with when_interrupted(lambda: f"interrupted; {_NOTHING}"):
        asked = _bag(context.obj, bag, each_line, range_, name, dict(sets or ()))
        resolved = find_site(site)
        plan = plan_run(asked, resolved.site, flags)
    how = How(dry_run=dry_run, wait=wait, as_json=as_json)
    if name:
        return _carry_out(asked, resolved, plan, how)
    return _carry_out_under_any_name(asked, resolved, (plan, flags), how)


@dataclass(frozen=True)
class How:
    """The options of `submit` that say what to do with the plan."""

    dry_run: bool
    wait: bool
    as_json: bool


def _carry_out_under_any_name(
    bag: Bag, site: ResolvedSite, planned: tuple[Plan, Mapping[str, Any]], how: How
) -> int:
    """Carry the plan out; while others took its name in the same second, one with the next."""
    plan, flags = planned
    taken: set[str] = set()
    while True:
        try:
            return _carry_out(bag, site, plan, how)
        except RunExistsError:
            taken.add(plan.run)
            plan = plan_run(bag, site.site, flags, taken=taken)


def _carry_out(bag: Bag, site: ResolvedSite, plan: Plan, how: How) -> int:
    from hpckit.cli.progress import follow
    from hpckit.launch.inputs import MissingInputs
    from hpckit.launch.render import render
    from hpckit.model.expand import expand

    if how.dry_run:  # faults, and files that are not there, show only task by task
        missing = MissingInputs()
        deque(map(missing.marks, expand(bag)), maxlen=0)
        if missing.note:
            console.note(missing.note)
    run_dir = None if how.dry_run else start_run(bag, site, plan)
    if how.as_json:
        console.document(_document(plan, render(plan)))
    elif run_dir is None:
        _show(plan, render(plan))
    else:
        console.line(plan.run)
    console.flush()
    return follow(run_dir) or 0 if how.wait and run_dir else 0


def plan_run(
    bag: Bag, site: Site, flags: Mapping[str, Any], *, taken: Set[str] = frozenset()
) -> Plan:
    """Return the plan, and say what was chosen or cut; `taken` are names that it may not have."""
    from hpckit.launch.discover import complete_site
    from hpckit.launch.plan import make_plan
    from hpckit.launch.preflight import preflight_notes

    site = complete_site(site, bag)
    plan = make_plan(bag, site, _request(bag, site, flags, taken))
    plan = replace(plan, notes=(*plan.notes, *preflight_notes(bag, site)))
    for text in plan.notes:
        console.note(text)
    return plan


def start_run(bag: Bag, site: ResolvedSite, plan: Plan) -> RunDir:
    """Submit the plan, and note where the run is."""
    from hpckit.launch.submit import submit as carry_out
    from hpckit.run.find_run import remember_run

    def words() -> str:
        left = f"what was submitted is cancelled: `hpckit status {plan.run}`"
        return f"interrupted; {left if Path(plan.run_dir).exists() else _NOTHING}"

    with when_interrupted(words):
        done = carry_out(bag, site.site, plan, origins=site.origins, argv=tuple(sys.argv))
    remember_run(done.run_dir)
    for text in done.notes:
        console.note(text)
    return done.run_dir


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
    from hpckit.model.paths import is_there

    if not is_there(bag) and bag.suffix != ".toml" and shutil.which(str(bag)):
        raise InputError(
            f"{bag} is no bag file, but a program",
            hint=f"A command goes after --: `hpckit submit -- {bag} ARG…`.",
        )


def _warn_of_options(command: Sequence[str]) -> None:
    """Say it when the command has words that look like options meant for hpckit."""
    ours = {"--dry-run", "--wait", "--site", "--backend", "--each-line", "--range", "--shape"}
    meant = [word for word in command if word.partition("=")[0] in ours]
    if meant:
        console.note(
            f"{', '.join(meant)}: behind --, so part of the command; hpckit's stand before it"
        )


def _lines(source: str) -> list[str]:
    from hpckit.model.sweep_elements import read_lines

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


def find_site(asked: str | None) -> ResolvedSite:
    """Return the site asked for, else the one that this machine is, and say which."""
    from hpckit.model.site_files import load_site, recognise
    from hpckit.slurm.jobs import reachable

    if asked is None:
        asked, reason = recognise(os.environ, os.uname().nodename, lambda: reachable(""))
        console.note(f"site: {asked} ({reason})")
    return load_site(asked)


def _request(bag: Bag, site: Site, flags: Mapping[str, Any], taken: Set[str]) -> Request:
    from hpckit.engines.registry import installed
    from hpckit.launch.request import Request
    from hpckit.model.expand import count
    from hpckit.run.find_run import all_runs

    slurm_bin = ""
    if site.scheduler == "emulated":
        from hpckit.launch.emulated_cluster import emulated_bin

        slurm_bin = emulated_bin(site)
    return Request(
        tasks=count(bag),
        now=time.time(),
        python=sys.executable,
        cwd=str(Path.cwd()),
        environ=dict(os.environ),
        backends=installed(),
        slurm_bin=slurm_bin,
        taken=frozenset({run.root.name for run in all_runs()} | taken),
        **flags,
    )


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
