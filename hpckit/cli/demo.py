"""`hpckit demo`: the main job, from data to table."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpckit.cli import console
from hpckit.cli.options import Json
from hpckit.errors import InputError, StorageError

if TYPE_CHECKING:
    from hpckit.report.comparison import Comparison
    from hpckit.run.rundir import RunDir

_CLUSTER = "local"


def demo(
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where data, bags and results go.")
    ] = Path("hpckit-demo"),
    as_json: Json = False,
) -> int:
    """Compress real climate fields on each engine; compare.

    Ends with one table. Runs on the emulated Slurm: the same scripts that a cluster would get.

    Example: hpckit demo
    """
    from hpckit.assets import find_compress_task, how_to_install
    from hpckit.emulator import control
    from hpckit.engines.registry import ENGINES, installed
    from hpckit.report.comparison import compare

    known = [name for name, facts in ENGINES.items() if facts.joins]
    engines = [name for name in known if name in installed()]
    if not engines:
        titles = " nor ".join(ENGINES[name].title for name in known)
        raise InputError(f"neither {titles} is here", hint=how_to_install("ray"))
    for name in known:
        if name not in engines:
            console.note(
                f"no {ENGINES[name].title} here: `hpckit submit --backend {name}` says why"
            )
    program = find_compress_task()
    console.note(f"the task: {program or 'a Python function with zfpy; no C++ task was found'}")
    _lay_out(directory)
    started = control.find(_CLUSTER) is None
    try:
        runs = [_run(directory, engine, program) for engine in engines]
        rows = [compare(run_dir) for run_dir in runs]
    finally:
        if started:
            control.down(_CLUSTER)
    _show(rows, as_json=as_json)
    well = all(row.done and not row.failed and (row.error_of_bound or 0) <= 1 for row in rows)
    return 0 if well else 1


def _lay_out(directory: Path) -> None:
    """Copy the bags, where one can look at and change them, and convert the data."""
    from hpckit.assets import asset_dir, how_to_install

    try:
        shutil.copytree(
            asset_dir("jobs"),
            directory / "jobs",
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    except OSError as error:
        raise StorageError(
            f"cannot lay the demo out in {directory}: {error.strerror or error}",
            hint="Name another directory with --dir.",
        ) from error
    fetch = [sys.executable, str(directory / "jobs" / "fetch_demo_data.py")]
    done = subprocess.run(
        [*fetch, str(directory / "data")], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(
            f"the demo's data could not be made: {done.stderr.strip()}",
            hint=how_to_install("demo"),
        )
    console.note(f"the data: {done.stdout.strip()}")


def _run(directory: Path, engine: str, program: Path | None) -> RunDir:
    """Submit the bag on one engine, follow it, and return its run."""
    from hpckit import api
    from hpckit.cli.progress import follow

    sets = {"let.out": f"../compressed/{engine}/{{field.stem}}-{{tolerance}}.zfp"}
    if program:
        sets["environment.path"] = f"[{json.dumps(str(program.parent))}]"
    bag = api.load_bag(directory / "jobs" / ("demo.toml" if program else "demo_zfpy.toml"), sets)
    site, _ = api.find_site(_CLUSTER)
    plan = api.plan_run(bag, site.site, api.RunOptions(backend=engine))
    console.notes(*plan.notes)
    console.note(f"{engine}: run {plan.run}, {plan.tasks} tasks, {plan.shape} shape")
    started = api.start_run(bag, site, plan)
    console.notes(*started.notes)
    follow(started.run_dir)
    return started.run_dir


def _show(rows: Sequence[Comparison], *, as_json: bool) -> None:
    from hpckit.model.units import human_bytes, human_duration

    if as_json:
        console.document({"schema": "hpckit.demo/1", "runs": [row.to_dict() for row in rows]})
        return
    console.table(
        (
            "engine", ">done", ">failed", ">in", ">out", ">ratio", ">error/bound",
            ">makespan", ">first worker", ">tasks/s", "run directory",
        ),
        (
            (
                row.backend, row.done, row.failed, human_bytes(row.bytes_in),
                human_bytes(row.bytes_out), row.ratio, row.error_of_bound,
                human_duration(row.makespan_s), human_duration(row.first_worker_s),
                row.tasks_per_s, row.run_dir,
            )
            for row in rows
        ),
    )  # fmt: skip
