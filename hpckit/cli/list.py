"""`hpckit list`: the runs, newest first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hpckit.cli import console
from hpckit.cli.options import All, Json

if TYPE_CHECKING:
    from hpckit.run.status import RunStatus


def list_runs(every: All = False, as_json: Json = False) -> None:
    """List the runs, newest first.

    Example: hpckit list
    """
    from hpckit.report import status_text
    from hpckit.run.find_run import all_runs
    from hpckit.run.status import list_statuses

    runs = all_runs()
    most = console.SCREEN_ROWS if console.on_terminal() and not every and not as_json else len(runs)
    statuses = list_statuses(runs[:most], unreadable=console.error)
    if as_json:
        documents = [status_text.run_document(found) for found in statuses]
        console.document({"schema": "hpckit.list/1", "runs": documents})
        return
    if not runs:
        console.note("no runs yet; start one with `hpckit submit BAG.toml`")
        return
    console.table(
        ("run", "state", ">done", ">of", ">failed", "engine", "made"),
        (
            (
                s.plan.run, s.state, s.counts.done, s.plan.tasks, s.counts.failed,
                s.plan.backend, _made(s),
            )
            for s in statuses
        ),
    )  # fmt: skip
    if len(runs) > most:
        console.note(f"{len(runs) - most} older ones: `hpckit list --all`")


def _made(found: RunStatus) -> str:
    made = found.run_dir.plan.stat().st_mtime
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(made))
