"""`hpckit explain`: why is it not running?"""

from __future__ import annotations

from hpckit.cli import console
from hpckit.cli.options import Json, Run, TaskIndex


def explain(
    run: Run = None,
    task: TaskIndex = None,
    as_json: Json = False,
) -> None:
    """Say why a run, or a task, is not running.

    Example: hpckit explain --task 17
    """
    from hpckit.report.explain import explain_run, explain_task
    from hpckit.run.find_run import find_run
    from hpckit.run.status import read_status
    from hpckit.run.tasks import read_task

    status = read_status(find_run(run))
    if task is None:
        lines = explain_run(status)
    else:
        read_task(status.run_dir, task, status.plan.tasks)  # there is such a task
        lines = explain_task(status, task)
    if as_json:
        body = {"schema": "hpckit.explain/1", "run": status.plan.run, "state": status.state}
        console.document({**body, "task": task, "why": lines})
        return
    what = status.plan.run if task is None else f"task {task} of {status.plan.run}"
    console.line(f"{what} ({status.state}):")
    for line in lines:
        console.line(f"  {line}")
