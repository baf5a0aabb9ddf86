"""Find the runs of this user.

Runs are in ``$HPCKIT_RUNS``, else in ``./hpckit-runs``. The path of every run is also noted in
``$XDG_STATE_HOME/hpckit/runs``, one on each line, so that `hpckit status NAME` works from any
directory and finds runs in a site's `run_root`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from hpckit.errors import InputError, did_you_mean
from hpckit.model.paths import is_file
from hpckit.run.rundir import RunDir


def runs_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of new runs if the site names none; it need not exist."""
    return Path(environ.get("HPCKIT_RUNS") or "hpckit-runs").absolute()


def remember_run(run_dir: RunDir) -> None:
    """Note the path of a new run; do nothing if that is not possible."""
    index = _index()
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        with index.open("a") as stream:
            stream.write(f"{run_dir.root}\n")
    except OSError:
        return


def all_runs() -> list[RunDir]:
    """Return every run in `runs_root` and every noted run that still exists, newest first."""
    try:
        remembered = _index().read_text().splitlines()
    except OSError:
        remembered = []
    here = {path.parent.resolve() for path in runs_root().glob("*/plan.json")}
    roots = here | {Path(line).resolve() for line in remembered if line}
    plans = {root: root / "plan.json" for root in roots}
    made = {root: plan.stat().st_mtime for root, plan in plans.items() if is_file(plan)}
    return [RunDir(root) for root in sorted(made, key=lambda root: made[root], reverse=True)]


def find_run(name: str | None) -> RunDir:
    """Return the run called `name`; without a name, the newest run.

    Without a name, runs in `runs_root` and runs that were submitted from this directory are
    preferred to all others. `name` may also be the path of a run directory.

    Raises:
        InputError: there is no such run.
    """
    if name and is_file(Path(name) / "plan.json"):
        return RunDir(Path(name).resolve())
    runs = all_runs()
    if not runs:
        raise InputError(
            f"no runs found under {runs_root()}",
            hint="Start one with `hpckit submit BAG.toml`, or say where they are: HPCKIT_RUNS=DIR.",
        )
    if name is None:
        root, cwd = runs_root().resolve(), str(Path.cwd())
        here = (run for run in runs if run.root.parent == root or _submitted_from(run) == cwd)
        return next(here, runs[0])
    for run in runs:
        if run.root.name == name:
            return run
    names = [run.root.name for run in runs]
    some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    raise InputError(f"run {name!r} not found; known: {some}.{did_you_mean(name, names)}")


def _submitted_from(run_dir: RunDir) -> str:
    """Return the directory that a run was submitted from, ``""`` if it is unknown."""
    try:
        return str(json.loads(run_dir.provenance.read_bytes())["cwd"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _index() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(state) / "hpckit" / "runs"
