from dataclasses import replace
from pathlib import Path

import pytest

from hpckit.common import io_retry
from hpckit.head.event_log import EventLog
from hpckit.head.recovery import HeadIdentity, recover_run
from hpckit.head.shutdown import (
    early_end,
    leave_for_next_head,
    remove_leftovers,
    write_end_event,
    write_stopped_event,
)
from hpckit.head.task_scheduler import TaskScheduler
from hpckit.model.plan import Plan
from hpckit.run.address import Address, publish_address, read_address, withdraw_address
from hpckit.run.jobs import SubmittedJob, record_job
from hpckit.run.journal import FencedError, load_state
from hpckit.run.rundir import RunDir, remove_temporaries
from hpckit.run.snapshot import read_snapshot
from hpckit.run.state import DONE, FAILED, RunState
from tests.unit.factories import make_plan, make_run_dir

ME = HeadIdentity(nonce="n", job_id="7", node="n1", pid=1, hosts=("127.0.0.1",))


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    found = make_run_dir(tmp_path / "run")
    found.address.parent.mkdir()
    found.tasks.touch()
    return found


def with_failures(plan: Plan, failed: int) -> RunState:
    state = RunState(plan.tasks)
    state.status[:failed] = bytes([FAILED]) * failed
    return state


def test_a_run_goes_on_whatever_fails_unless_it_was_asked_to_stop_early(run_dir: RunDir) -> None:
    plan = make_plan(tasks=10)
    assert early_end(run_dir, plan, with_failures(plan, 9)) == ""
    plan = make_plan(tasks=10, max_failures=3)
    assert early_end(run_dir, plan, with_failures(plan, 2)) == ""
    assert early_end(run_dir, plan, with_failures(plan, 3)) == (
        "3 tasks have failed, and --max-failures is 3"
    )


def test_a_cancelled_run_is_cut_short(run_dir: RunDir) -> None:
    run_dir.cancel.touch()
    plan = make_plan(tasks=10)
    assert early_end(run_dir, plan, with_failures(plan, 0)) == "it was cancelled"


def head(run_dir: RunDir, plan: Plan) -> tuple[TaskScheduler, EventLog]:
    taken = recover_run(run_dir, plan, ME)
    return taken.task_scheduler, EventLog(
        run_dir, taken.journal, taken.output, taken.task_scheduler
    )


@pytest.mark.parametrize(
    ("status", "cancelled", "word"),
    [
        ([DONE, DONE], False, "done"),
        ([DONE, FAILED], False, "failed"),
        ([DONE, 0], True, "cancelled"),
        ([FAILED, 0], False, "failed"),
    ],
)
def test_the_last_word_is_the_journals_last_line(
    run_dir: RunDir, status: list[int], cancelled: bool, word: str
) -> None:
    plan = make_plan(tasks=2, max_failures=1)
    task_scheduler, event_log = head(run_dir, plan)
    task_scheduler.state.status[:] = bytes(status)
    if cancelled:
        run_dir.cancel.touch()
    assert write_end_event(run_dir, plan, task_scheduler, event_log) == word
    ended = load_state(run_dir, 2).ended
    assert ended is not None
    assert ended.state == word
    assert bool(ended.why) == (0 in status)
    snapshot = read_snapshot(run_dir)
    assert snapshot is not None
    assert snapshot.counts.done == status.count(DONE)


def test_a_head_that_breaks_says_why_where_it_still_can(run_dir: RunDir) -> None:
    _, event_log = head(run_dir, make_plan(tasks=2))
    write_stopped_event(run_dir, event_log, "the engine has gone")
    ended = load_state(run_dir, 2).ended
    assert ended is not None
    assert (ended.state, ended.why) == ("stopped", "the engine has gone")


def test_what_a_killed_head_left_half_written_is_removed_and_nothing_else(run_dir: RunDir) -> None:
    for name in (".snapshot.json.abcd1234", ".cancel.json.abcd1234", "snapshot.json"):
        (run_dir.root / name).touch()
    (run_dir.address.parent / ".head.json.x_y_z_12").touch()
    remove_temporaries(run_dir)
    assert not list(run_dir.address.parent.iterdir())
    assert run_dir.snapshot.exists()
    assert (run_dir.root / ".cancel.json.abcd1234").exists()  # hpckit cancel may be writing it


def an_address(incarnation: int) -> Address:
    return Address(
        run="bag-1", backend="workqueue", incarnation=incarnation, nonce="n", job_id="7", node="n1",
        pid=1, hosts=("127.0.0.1",), worker_port=1,
    )  # fmt: skip


def test_a_head_that_was_cut_off_leaves_what_is_its_successors(run_dir: RunDir) -> None:
    plan = make_plan(tasks=2)
    task_scheduler, old = head(run_dir, plan)
    old.write_counts()
    _, new = head(run_dir, plan)
    publish_address(run_dir, an_address(new.incarnation))
    new.write_counts()
    for leave in (
        lambda: leave_for_next_head(run_dir, task_scheduler, old),
        lambda: write_end_event(run_dir, plan, task_scheduler, old),
        old.write_counts,
    ):
        with pytest.raises(FencedError):
            leave()
    write_stopped_event(run_dir, old, "its node was away")
    temporary = run_dir.root / ".snapshot.json.abcd1234"  # the new head may be writing it
    temporary.touch()
    remove_leftovers(run_dir, plan, old)
    assert temporary.exists()
    found, snapshot = read_address(run_dir), read_snapshot(run_dir)
    assert found is not None
    assert snapshot is not None
    assert (found.incarnation, snapshot.incarnation) == (2, 2)
    assert load_state(run_dir, 2).ended is None
    remove_leftovers(run_dir, plan, new)
    withdraw_address(run_dir, new.incarnation)
    assert not temporary.exists()
    assert read_address(run_dir) is None


def test_a_job_whose_run_has_been_resumed_leaves_it_to_the_newer_one(run_dir: RunDir) -> None:
    for job_id in (ME.job_id, "9"):
        record_job(run_dir, SubmittedJob(job_id=job_id, role="head", submitted_at=1.0))
    with pytest.raises(FencedError, match="job 9 carries the head"):
        head(run_dir, make_plan(tasks=2))
    assert list(run_dir.journal.iterdir()) == []
    recover_run(run_dir, make_plan(tasks=2), replace(ME, job_id="9")).close()
    recover_run(run_dir, make_plan(tasks=2), replace(ME, job_id="11")).close()  # by hand


def test_a_run_that_has_had_its_last_word_is_not_broken_by_what_cannot_be_swept(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(io_retry, "_PAUSES_S", ())
    plan = make_plan(tasks=2)
    task_scheduler, event_log = head(run_dir, plan)
    task_scheduler.state.status[:] = bytes([DONE, DONE])
    assert write_end_event(run_dir, plan, task_scheduler, event_log) == "done"
    (run_dir.journal / "0001.jsonl").rename(run_dir.root / "away")
    run_dir.journal.rmdir()
    run_dir.journal.write_text("no directory")  # as a file server that is away
    remove_leftovers(run_dir, plan, event_log)
