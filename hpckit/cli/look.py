"""Commands that only look: list, status, logs, failures, results."""

from __future__ import annotations

from typing import Annotated

import typer

from hpckit.cli import say
from hpckit.cli.options import Json, Run

TaskIndex = Annotated[int | None, typer.Option("--task", help="One task, by its index.")]


def list_runs(as_json: Json = False) -> None:
    """List the runs, newest first.

    Example: hpckit list
    """
    from hpckit.run.locate import all_runs
    from hpckit.run.status import read_statuses

    statuses = read_statuses(all_runs())
    if as_json:
        say.document({"schema": "hpckit.list/1", "runs": [s.to_dict() for s in statuses]})
        return
    if not statuses:
        say.note("no runs yet; start one with `hpckit submit BAG.toml`")
        return
    say.table(
        ("run", "state", ">done", ">failed", ">tasks", "backend", "shape", "site"),
        (
            (
                s.plan.run, s.word, s.counts.done, s.counts.failed, s.plan.tasks,
                s.plan.backend, s.plan.shape, s.plan.site,
            )
            for s in statuses
        ),
    )  # fmt: skip


def status(
    run: Run = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it ends.")] = False,
    task: TaskIndex = None,
    as_json: Json = False,
) -> int:
    """Say how a run stands: tasks, head, workers, jobs; or all about one task.

    Example: hpckit status sea-ice-20261121-2030 --watch
    """
    from hpckit.cli import describe
    from hpckit.run.locate import find_run
    from hpckit.run.status import read_status

    run_dir = find_run(run)
    if watch:
        from hpckit.cli.follow import follow

        return follow(run_dir)
    found = read_status(run_dir)
    if task is not None:
        body = describe.task_document(found, task)
        say.document(body) if as_json else describe.task(body)
    elif as_json:
        say.document(found.to_dict())
    else:
        describe.run(found)
    return 0


def logs(
    run: Run = None,
    task: TaskIndex = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="The task's stderr instead.")] = False,
    as_json: Json = False,
) -> None:
    """Print what the run's jobs logged, or what one task printed.

    Example: hpckit logs --task 17 --stderr
    """
    from hpckit.cli import describe
    from hpckit.run.locate import find_run

    run_dir = find_run(run)
    if task is None:
        describe.job_logs(run_dir, as_json=as_json)
    else:
        describe.task_log(run_dir, task, stderr=stderr, as_json=as_json)


def failures(run: Run = None, as_json: Json = False) -> None:
    """List the tasks that failed for good: kind, exit code, workers, last words.

    Example: hpckit failures --json
    """
    from hpckit.report.failures import failed_tasks
    from hpckit.run.locate import find_run

    run_dir = find_run(run)
    failed = failed_tasks(run_dir)
    if as_json:
        rows = [row.to_dict() for row in failed]
        body = {"schema": "hpckit.failures/1", "run": run_dir.root.name, "failures": rows}
        say.document(body)
        return
    if not failed:
        say.note(f"no task of {run_dir.root.name} has failed")
        return
    say.table(
        (">task", "kind", ">exit", "signal", "worker", "last words"),
        ((f.index, f.kind, f.exit_code, f.signal_name, f.workers[-1], f.words) for f in failed),
    )
    say.note("Read all that one printed with `hpckit logs --task I --stderr`.")


def results(
    run: Run = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Print the table of results: parameters, and what each task printed as JSON.

    Example: hpckit results --csv > sea-ice.csv
    """
    from hpckit.report.results import results_table, to_csv
    from hpckit.run.locate import find_run

    run_dir = find_run(run)
    table = results_table(run_dir)
    if as_json:
        body = {"schema": "hpckit.results/1", "run": run_dir.root.name}
        say.document({**body, "columns": table.columns, "rows": table.rows})
    elif as_csv:
        say.raw(to_csv(table))
    else:
        say.table(table.columns, ([row.get(c) for c in table.columns] for row in table.rows))
