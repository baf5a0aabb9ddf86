"""Commands that only look: list, status, logs, failures, results."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hpckit.cli import console
from hpckit.cli.options import All, Json, Run, TaskIndex
from hpckit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpckit.report.failures import Failure, Group
    from hpckit.run.status import RunStatus

_MANY: Final = 20  # failed tasks, from which on they are shown in groups


def list_runs(every: All = False, as_json: Json = False) -> None:
    """List the runs, newest first.

    Example: hpckit list
    """
    from hpckit.cli import status_text
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
                s.plan.run, s.word, s.counts.done, s.plan.tasks, s.counts.failed,
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


def status(
    run: Run = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it ends.")] = False,
    task: TaskIndex = None,
    as_json: Json = False,
) -> int:
    """Say how a run stands, or one of its tasks.

    Tasks, pace, head, workers and jobs, and what to type next.

    Example: hpckit status sea-ice-20261121-2030 --watch
    """
    from hpckit.cli import status_text
    from hpckit.run.find_run import find_run
    from hpckit.run.status import read_status

    run_dir = find_run(run)
    if watch and (as_json or task is not None):
        raise InputError(
            "--watch goes with neither --json nor --task",
            hint="To wait and then get the document: `hpckit wait --json`.",
        )
    if watch:
        from hpckit.cli.progress import follow

        return follow(run_dir) or 0
    found = read_status(run_dir)
    if task is not None:
        body = status_text.task_document(found, task)
        console.document(body) if as_json else status_text.task(body)
    elif as_json:
        console.document(status_text.run_document(found))
    else:
        status_text.run(found)
    return 0


def logs(
    run: Run = None,
    task: TaskIndex = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="The task's stderr instead.")] = False,
    as_json: Json = False,
) -> None:
    """Print what the jobs logged, or what one task printed.

    Example: hpckit logs --task 17 --stderr
    """
    from hpckit.cli import logs
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    if task is not None:
        logs.task_log(run_dir, task, stderr=stderr, as_json=as_json)
    elif stderr:
        raise InputError(
            "--stderr is that of one task, and none is named", hint="Name it: --task I --stderr"
        )
    else:
        logs.job_logs(run_dir, as_json=as_json)


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
