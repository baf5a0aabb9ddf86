"""`hpckit failures`: the tasks that failed for good, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hpckit.cli import console
from hpckit.cli.options import All, Json, Run

if TYPE_CHECKING:
    from hpckit.report.failures import Failure, Group

_MANY: Final = 20  # failed tasks, from which on they are shown in groups


def failures(run: Run = None, every: All = False, as_json: Json = False) -> None:
    """List the tasks that failed for good, and why.

    More than a few are shown in groups of the same kind and words; --all lists each.

    Example: hpckit failures --json
    """
    from hpckit.report.failures import failed_tasks, grouped
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    name = run_dir.root.name
    failed = failed_tasks(run_dir)
    groups = grouped(failed)
    if as_json:
        body = {"schema": "hpckit.failures/1", "run": name}
        rows = [row.to_dict() for row in failed]
        console.document(
            {**body, "failures": rows, "groups": [group.to_dict() for group in groups]}
        )
    elif not failed:
        console.note(f"no task of {name} has failed")
    elif len(failed) > _MANY and not every:
        _show_groups(groups)
        console.note(
            f"{len(failed)} tasks failed; each on a line: `hpckit failures {name} --all`; what "
            f"one wrote: `hpckit logs {name} --task {groups[0].tasks[0]} --stderr`"
        )
    else:
        _show_failures(failed)
        console.note(f"What one wrote: `hpckit logs {name} --task {failed[0].index} --stderr`")


def _show_failures(failed: Sequence[Failure]) -> None:
    console.table(
        (">task", "kind", ">exit", "signal", "worker", "why"),
        (
            (f.index, f.kind, f.exit_code, f.signal_name, (f.workers or ("",))[-1], f.words)
            for f in failed
        ),
    )


def _show_groups(groups: Sequence[Group]) -> None:
    cut = console.table(
        (">tasks", "kind", ">exit", "signal", "such as", "why"),
        (
            (
                len(group.tasks), group.example.kind, group.example.exit_code,
                group.example.signal_name, ", ".join(map(str, group.tasks[:3])),
                group.example.words,
            )
            for group in groups
        ),
        most=console.SCREEN_ROWS if console.on_terminal() else None,
    )  # fmt: skip
    if cut:
        console.note(f"and {cut} more groups")
