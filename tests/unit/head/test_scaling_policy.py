from hypothesis import given
from hypothesis import strategies as st

from hpckit.head.autoscaler import count_coming, folded_size
from hpckit.head.scaling_policy import (
    Bounds,
    WorkerCounts,
    WorkLeft,
    to_dismiss,
    to_start,
    workers_wanted,
)
from hpckit.slurm.states import JobState

FOUR_TO_TEN = Bounds(least=4, most=10)


def test_unmeasured_work_gets_a_slot_for_each_task_within_the_bounds() -> None:
    bounds = Bounds(least=1, most=10)
    assert workers_wanted(WorkLeft(tasks=7, slots=2, mean_s=None), bounds) == 4
    assert workers_wanted(WorkLeft(tasks=700, slots=2, mean_s=None), bounds) == 10


def test_short_work_is_not_worth_many_workers() -> None:
    work = WorkLeft(tasks=1000, slots=2, mean_s=0.01)
    assert workers_wanted(work, Bounds(least=1, most=10)) == 1


def test_no_work_wants_nobody_and_the_least_is_kept_while_there_is_some() -> None:
    assert workers_wanted(WorkLeft(tasks=0, slots=1, mean_s=1.0), FOUR_TO_TEN) == 0
    assert workers_wanted(WorkLeft(tasks=1, slots=1, mean_s=1.0), FOUR_TO_TEN) == 4


def test_jobs_that_wait_are_not_submitted_twice() -> None:
    assert to_start(WorkerCounts(here=2, coming=3), 10) == 5
    assert to_start(WorkerCounts(here=2, coming=8), 10) == 0


def test_only_idle_workers_beyond_those_wanted_are_told_to_leave() -> None:
    assert to_dismiss(WorkerCounts(here=6, coming=0), 4, idle=3) == 2
    assert to_dismiss(WorkerCounts(here=6, coming=0), 2, idle=1) == 1
    assert to_dismiss(WorkerCounts(here=3, coming=9), 4, idle=3) == 0


@given(
    tasks=st.integers(0, 10**6),
    slots=st.integers(1, 256),
    mean_s=st.none() | st.floats(1e-4, 1e5),
    least=st.integers(0, 50),
    more=st.integers(0, 500),
)
def test_what_is_wanted_lies_within_the_bounds(
    tasks: int, slots: int, mean_s: float | None, least: int, more: int
) -> None:
    bounds = Bounds(least=least, most=max(1, least + more))
    wanted = workers_wanted(WorkLeft(tasks=tasks, slots=slots, mean_s=mean_s), bounds)
    assert wanted == 0 if tasks == 0 else least <= wanted <= bounds.most


def test_requeued_and_folded_elements_count_as_coming_and_joined_ones_do_not() -> None:
    states = {
        name: JobState(job_id=name, state=state)
        for name, state in {
            "57_0": "RUNNING",
            "57_1": "COMPLETED",
            "57_2": "PENDING",
            "57_[4-9%2]": "PENDING",
            "58_1": "COMPLETING",
        }.items()
    }
    assert count_coming(states, joined={"57_0"}) == 1 + 6 + 1


def test_folded_array_notation_is_counted() -> None:
    assert [folded_size(i) for i in ("7", "7_3", "7_[1,4-5]", "7_[0-9:3]", "7_[3-9%2]")] == [
        1, 1, 3, 4, 7,
    ]  # fmt: skip
