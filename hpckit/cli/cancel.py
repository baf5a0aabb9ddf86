"""`hpckit cancel`: end a run; what is done stays done."""

from __future__ import annotations

from hpckit.cli import console
from hpckit.cli.options import Json, Run


def cancel(run: Run = None, as_json: Json = False) -> int:
    """Cancel a run; what is done stays done.

    Its jobs end. `hpckit resume` can go on with it later.

    Example: hpckit cancel sea-ice-20261121-2030
    """
    from hpckit.launch.resume import cancel_run
    from hpckit.report import status_text
    from hpckit.run.find_run import find_run
    from hpckit.run.status import FINAL, read_status

    run_dir = find_run(run)
    before = read_status(run_dir)
    ended = before.state in FINAL and before.state != "stopped"  # that one can be resumed
    if ended and not before.live_jobs and not before.slurm_error:
        console.note(f"{before.plan.run} has ended already")
    else:
        cancel_run(run_dir)
    after = read_status(run_dir)
    if as_json:
        console.document(status_text.run_document(after))
    else:
        counts = after.counts
        console.note(
            f"{after.plan.run} is {after.state}: {counts.done} of {after.plan.tasks} tasks done"
        )
        if counts.waiting + counts.running:
            console.note(f"Go on with what is left: `hpckit resume {after.plan.run}`")
    return 0
