"""Every answer of `hpckit explain`, each provoked at its boundary.

What needs a queue is provoked on the emulator, in tests/end_to_end/test_explain.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpckit.model.retries import Retries
from hpckit.model.task import TaskSettings
from hpckit.report.explain import explain_run, explain_task
from hpckit.run.events import Event, Joined, Left, Noted, Opened, Returned, Row
from hpckit.run.events import Lost as LostEvent
from hpckit.run.jobs import SubmittedJob
from hpckit.run.journal import open_journal
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import Counts
from hpckit.run.state import RunState
from hpckit.run.status import RunStatus
from hpckit.slurm.states import JobState
from tests.unit.factories import make_plan, make_run_dir

HEAD = SubmittedJob(job_id="56", role="head", submitted_at=1.0)
WORKERS = SubmittedJob(job_id="57", role="workers", submitted_at=1.0, array="0-3")


def came(name: str = "57_1-n1", **changes: Any) -> Joined:
    known: dict[str, Any] = {"t": 5.0, "worker": name, "job_id": name.partition("-")[0]}
    return Joined(**{**known, "node": "n1", "cores": 2, "memory_mib": 2000, **changes})


def opened() -> Opened:
    return Opened(run="bag-1", incarnation=1, nonce="n", job_id="56", node="n0", pid=1, t=1.0)


def row(index: int, kind: str, *, final: bool, attempt: int = 1, message: str = "") -> Row:
    return Row(index, attempt, kind, final, 1, None, 2.0, 1.0, 1.0, 1.0, -1, message)


def back(*rows: Row) -> Returned:
    return Returned(t=9.0, bundle="1-1", worker="57_1-n1", rows=list(rows))


def status(
    *events: Event,
    state: str = "running",
    why: str = "",
    running: int = 0,
    slurm: tuple[JobState, ...] = (),
    jobs: tuple[SubmittedJob, ...] = (HEAD, WORKERS),
    **plan: Any,
) -> RunStatus:
    made = make_plan(**plan)
    run_state = RunState(made.tasks)
    for event in events:
        run_state.apply(event, 1)
    counts = Counts(
        done=run_state.done,
        failed=run_state.failed,
        running=running,
        waiting=run_state.left - running,
    )
    known = {job.job_id: job for job in slurm}
    run_dir = RunDir(Path(made.run_dir))
    return RunStatus(run_dir, made, state, why, counts, run_state, jobs, known)  # type: ignore[arg-type]


# --- a run that is over
def test_a_run_that_is_over_says_so() -> None:
    assert explain_run(status(state="done")) == ["every task is done"]
    assert explain_run(status(state="cancelled")) == [
        "it was cancelled; `hpckit resume bag-1` goes on with it"
    ]
    assert explain_run(status(state="stopped")) == [
        "it stopped; `hpckit resume bag-1` goes on with it"
    ]
    why = "the head's job 56 ended as TIMEOUT"
    assert explain_run(status(state="stopped", why=why)) == [
        f"{why}; `hpckit resume bag-1` goes on with it"
    ]


def test_failed_tasks_are_counted_in_good_english() -> None:
    bad = [row(i, "error", final=True) for i in range(3)]
    one = status(opened(), back(bad[0]), state="failed", tasks=1)
    assert explain_run(one) == ["1 task has failed for good: see `hpckit failures bag-1`"]
    three = status(opened(), back(*bad), state="failed", tasks=4, why="--max-failures is 3")
    assert explain_run(three) == [
        "3 tasks have failed for good, 1 was not run: see `hpckit failures bag-1`",
        "--max-failures is 3",
    ]
    left = status(opened(), back(bad[0]), state="failed", tasks=9)
    assert "1 task has failed for good, 8 were not run" in explain_run(left)[0]


# --- the head
def test_without_a_head_that_is_said_with_what_is_known() -> None:
    assert explain_run(status(state="waiting", jobs=())) == ["no head has been submitted"]
    why = "the scheduler does not answer: squeue: Unable to contact slurm controller"
    assert explain_run(status(state="waiting", why=why)) == [why]


def test_a_head_that_waits_is_explained_by_the_queue() -> None:
    held = JobState(job_id="56", state="PENDING", reason="JobHeldUser")
    assert explain_run(status(state="waiting", slurm=(held,))) == [
        "the head's job 56 is PENDING; JobHeldUser: it is held: `scontrol release` lets it go"
    ]
    starting = JobState(job_id="56", state="RUNNING")
    assert explain_run(status(state="waiting", why="the head is starting", slurm=(starting,))) == [
        "the head's job 56 is RUNNING; the head is starting"
    ]


# --- the workers
def test_waiting_workers_are_counted_by_the_queues_reason() -> None:
    pending = [
        JobState(job_id=f"57_{i}", state="PENDING", reason=reason)
        for i, reason in enumerate(("Priority", "Priority", "JobArrayTaskLimit"))
    ]
    assert explain_run(status(opened(), slurm=tuple(pending))) == [
        "the head runs, but no worker is here",
        "2 worker jobs wait; Priority: other jobs go before it",
        "1 worker job waits; JobArrayTaskLimit: the array's limit of elements at a time is reached",
    ]


def test_when_no_worker_is_to_come_it_says_how_to_get_one() -> None:
    ended = tuple(JobState(job_id=f"57_{i}", state="CANCELLED") for i in range(2))
    assert explain_run(status(opened(), slurm=ended)) == [
        "the head runs, but no worker is here, and no job that would bring one: "
        "`hpckit workers add N bag-1` submits some"
    ]
    one_lives = (ended[0], JobState(job_id="57_1", state="RUNNING"))
    assert explain_run(status(opened(), slurm=one_lives)) == [
        "the head runs, but no worker is here; worker jobs: 1 RUNNING"
    ]


def test_an_allocation_without_workers_says_how_the_last_went() -> None:
    job = SubmittedJob(job_id="56", role="allocation", submitted_at=1.0)
    gone = Left(t=9.0, worker="56-n1", orderly=False, why="its process ended without a word")
    found = status(opened(), came("56-n1"), gone, jobs=(job,), shape="allocation")
    assert explain_run(found) == [
        "the head runs, but no worker is here; of the last: its process ended without a word. "
        "If none comes: `hpckit cancel bag-1`, then `hpckit resume bag-1`"
    ]


def test_what_the_head_noted_is_said_until_a_worker_has_come() -> None:
    refused = Noted(t=7.0, text="no more workers for 30 s: sbatch: AssocMaxSubmitJobLimit")
    assert explain_run(status(opened(), came(t=5.0), refused)) == [refused.text]
    later = status(opened(), refused, came(t=8.0), running=1)
    assert explain_run(later) == ["it runs: 1 worker is here, 1 task is running"]


def test_a_scheduler_that_does_not_answer_is_said_while_the_run_goes_on() -> None:
    why = "the scheduler does not answer: squeue: Unable to contact slurm controller"
    assert explain_run(status(opened(), came(), why=why)) == [why]


def test_no_worker_large_enough_is_said_with_what_a_task_needs() -> None:
    needs = TaskSettings(run="bag-1", cores=4, memory_mib=1000)
    said = explain_run(status(opened(), came(), came("57_2-n2", cores=1), task_settings=needs))
    assert said == [
        "no worker is large enough: a task needs 4 cores and 1000 MiB, "
        "the largest worker has 2 and 2000"
    ]
    wide, deep = came("57_1-n1", cores=8, memory_mib=500), came("57_2-n2", cores=1)
    assert (
        "no worker is large enough"
        in explain_run(status(opened(), wide, deep, task_settings=needs))[0]
    ), "one has the cores and another the memory"
    enough = came(cores=4)
    assert "it runs" in explain_run(status(opened(), enough, task_settings=needs))[0]


def test_no_worker_living_long_enough_is_said_with_the_longest(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    whoami = {"nonce": "n", "job_id": "56", "node": "n0", "pid": 1, "t": 1.0}
    journal = open_journal(run_dir, run="bag-1", resume="", again=[], **whoami)  # type: ignore[arg-type]
    back_again = Returned(
        t=9.0, bundle="1-1", worker="57_1-n1", rows=[], handed_back=[0],
        why="18 s left of the walltime",
    )  # fmt: skip
    journal.append(back_again)
    journal.close()
    found = status(opened(), came(ends_at=118.0), run_dir=str(tmp_path))
    assert explain_run(found, now=100.0) == [
        "no worker lives long enough (18 s left of the walltime); the longest has 18.0 s"
    ]
    busy = status(opened(), came(ends_at=118.0), run_dir=str(tmp_path), running=1)
    assert explain_run(busy, now=100.0) == ["it runs: 1 worker is here, 1 task is running"]


def test_a_worker_that_left_is_not_here() -> None:
    left = Left(t=6.0, worker="57_1-n1", orderly=True, why="warned by SIGTERM")
    assert explain_run(status(opened(), came(), left)) == ["the head runs, but no worker is here"]


# --- one task
def test_a_task_that_is_done_says_where() -> None:
    found = status(opened(), came(), back(row(0, "ok", final=True, attempt=2)))
    assert explain_task(found, 0) == ["it is done: attempt 2 on 57_1-n1"]


def test_a_task_whose_budget_is_used_up_says_so() -> None:
    bad = back(row(0, "error", final=True, attempt=2, message="exit code 3"))
    once = status(opened(), bad, retries=Retries(error=1))
    assert explain_task(once, 0) == [
        "it failed for good: error (exit code 3) in attempt 2; "
        "its budget for error is used up (1 retry)"
    ]
    assert (
        "used up (2 retries)" in explain_task(status(opened(), bad, retries=Retries(error=2)), 0)[0]
    )
    assert "error has no retries" in explain_task(status(opened(), bad), 0)[0]


def test_a_poisonous_task_says_how_many_workers_it_took() -> None:
    words = "3 workers died while they ran it"
    bad = back(row(0, "poison", final=True, attempt=3, message=words))
    assert explain_task(status(opened(), bad), 0) == [
        f"it failed for good: poison ({words}) in attempt 3; such a task is not tried again"
    ]


def test_a_task_that_is_tried_again_says_what_it_has_left() -> None:
    tried = back(row(1, "timeout", final=False))
    found = status(opened(), came(), tried, retries=Retries(timeout=2))
    assert explain_task(found, 1) == [
        "1 attempt ended in timeout; of its budget for timeout, 1 retry is left",
        "it waits for its turn or runs now: 1 task before it is open",
        "it runs: 1 worker is here, 0 tasks are running",
    ]


def test_a_task_whose_workers_went_says_how_near_it_is_to_being_poison() -> None:
    lost = [
        LostEvent(t=9.0, bundle=f"1-{i}", worker="57_1-n1", why="w", indices=[0], suspect=0)
        for i in range(2)
    ]
    assert explain_task(status(opened(), came(), lost[0]), 0)[0] == (
        "1 worker went while running it; after 3 it is poison"
    )
    assert explain_task(status(opened(), came(), *lost), 0)[0] == (
        "2 workers went while running it; after 3 it is poison"
    )


def test_a_task_of_a_run_that_does_not_run_is_held_up_by_what_holds_that_up() -> None:
    pending = JobState(job_id="56", state="PENDING", reason="Resources")
    assert explain_task(status(state="waiting", slurm=(pending,)), 4) == [
        "the head's job 56 is PENDING; "
        "Resources: no node is free that is large enough; it starts when one is"
    ]
