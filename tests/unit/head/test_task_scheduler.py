import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from hpckit.head.task_scheduler import TaskScheduler, credit_spools, failures_unseen
from hpckit.model.retries import Retries
from hpckit.model.task import TaskSettings
from hpckit.protocol.bundle import Bundle
from hpckit.protocol.result import BundleResult, TaskResult
from hpckit.run.events import NO_OUTPUT, Joined, Lost, Opened, Returned
from hpckit.run.spool import Spooled
from hpckit.run.state import DONE, FAILED, WAITING, RunState
from tests.unit.factories import make_plan, make_result, make_tasks


def new_scheduler(tasks: int = 10, **plan: object) -> TaskScheduler:
    made = make_plan(tasks=tasks, **plan)
    return TaskScheduler(made, RunState(tasks), make_tasks(tasks), 1, lambda _: NO_OUTPUT)


def take(task_scheduler: TaskScheduler, slots: int = 2) -> Bundle:
    bundle = task_scheduler.next_bundle(slots)
    assert bundle is not None
    return bundle


def back(bundle: Bundle, *results: TaskResult) -> BundleResult:
    return BundleResult(bundle=bundle.id, worker="w1", results=results)


def test_the_first_bundles_hold_one_task_and_later_ones_about_a_second() -> None:
    task_scheduler = new_scheduler(1000)
    first = take(task_scheduler)
    assert len(first.tasks) == 1
    task_scheduler.returned(back(first, make_result(0, wall_s=0.05)), 1.0)
    assert len(take(task_scheduler).tasks) == 20


def test_bundles_shrink_near_the_end_so_that_no_slot_idles() -> None:
    task_scheduler = new_scheduler(9)
    task_scheduler.returned(back(take(task_scheduler), make_result(0, wall_s=0.001)), 1.0)
    assert len(take(task_scheduler, slots=4).tasks) == 1


def test_a_failed_task_is_tried_again_until_its_budget_is_used_up() -> None:
    task_scheduler = new_scheduler(1, retries=Retries(error=1))
    first = take(task_scheduler)
    task_scheduler.returned(back(first, make_result(0, "error", exit_code=2)), 1.0)
    assert task_scheduler.state.status[0] == WAITING
    second = take(task_scheduler)
    assert second.attempts == (2,)
    task_scheduler.returned(back(second, make_result(0, "error", exit_code=2)), 2.0)
    assert task_scheduler.state.status[0] == FAILED
    assert task_scheduler.finished


def test_budgets_of_different_kinds_do_not_mix() -> None:
    task_scheduler = new_scheduler(1, retries=Retries(error=1, timeout=1))
    for kind in ("error", "timeout"):
        task_scheduler.returned(back(take(task_scheduler), make_result(0, kind)), 1.0)
    assert task_scheduler.state.status[0] == WAITING


def test_a_task_out_of_memory_gets_more_up_to_the_largest_worker_and_goes_alone() -> None:
    task_settings = TaskSettings(run="r", memory_mib=600)
    retries = Retries(memory=5, memory_grow=2.0)
    task_scheduler = new_scheduler(4, retries=retries, task_settings=task_settings)
    seen = []
    bundle = take(task_scheduler)
    for _ in range(4):
        seen.append(bundle.task_settings.memory_mib)
        task_scheduler.returned(back(bundle, make_result(0, "memory")), 1.0)
        while (bundle := take(task_scheduler)).tasks[0].index != 0:
            task_scheduler.returned(
                back(bundle, *(make_result(t.index) for t in bundle.tasks)), 1.0
            )
        assert len(bundle.tasks) == 1
    assert seen == [600, 1200, 2000, 2000]  # the worker has 2000 MiB


def test_what_a_worker_hands_back_goes_out_again_without_using_up_anything() -> None:
    task_scheduler = new_scheduler(3)
    task_scheduler.sizer.observe([0.0001])
    bundle = take(task_scheduler, slots=1)
    assert len(bundle.tasks) == 2
    event = task_scheduler.returned(back(bundle, make_result(0)), 1.0)
    assert event is not None
    assert event.handed_back == [1]
    assert take(task_scheduler).tasks[0].index == 1


def test_a_lost_worker_costs_only_what_its_spool_does_not_vouch_for() -> None:
    task_scheduler = new_scheduler(6)
    task_scheduler.sizer.observe([0.0001])
    bundle = take(task_scheduler, slots=1)
    task_scheduler.began(bundle.id, "w1")
    event = task_scheduler.lost(bundle.id, "node failure", [make_result(0)], 1.0, blame="slurm")
    assert event is not None
    assert [row.index for row in event.rows] == [0]
    assert event.indices == [1, 2]
    assert event.suspect == 1
    assert task_scheduler.state.status[0] == DONE


def lose_three_workers(task_scheduler: TaskScheduler) -> Lost:
    for attempt in range(3):
        task_scheduler.state.apply(joined(f"w{attempt}"), 1)
        bundle = take(task_scheduler)
        assert bundle.tasks[0].index == 0
        task_scheduler.began(bundle.id, f"w{attempt}")
        event = task_scheduler.lost(bundle.id, "gone", [], 1.0, blame="slurm")
    assert event is not None
    return event


def test_a_task_that_takes_three_workers_down_is_poison_and_the_rest_goes_on() -> None:
    task_scheduler = new_scheduler(2)
    lose_three_workers(task_scheduler)
    assert take(task_scheduler).tasks[0].index == 1
    assert task_scheduler.next_bundle(2) is None  # task 0 waits for what Slurm says
    *_, poison = task_scheduler.explained("w2", "FAILED", 2.0)
    assert isinstance(poison, Lost)
    assert poison.rows[0].kind == "poison"
    assert "3 workers died" in poison.rows[0].message
    assert task_scheduler.state.status[0] == FAILED


def test_a_task_whose_third_worker_was_preempted_is_not_poison() -> None:
    task_scheduler = new_scheduler(1)
    lose_three_workers(task_scheduler)
    task_scheduler.explained("w2", "NODE_FAIL", 2.0)
    assert task_scheduler.state.status[0] == WAITING
    assert task_scheduler.state.failures[0]["lost"] == 2
    assert take(task_scheduler).tasks[0].index == 0


def test_a_preempted_worker_blames_nobody_however_often() -> None:
    task_scheduler = new_scheduler(1)
    for _ in range(10):
        bundle = take(task_scheduler)
        task_scheduler.began(bundle.id, "w")
        task_scheduler.lost(bundle.id, "preempted", [], 1.0, blame="nobody")
    assert task_scheduler.state.status[0] == WAITING


def test_a_result_nobody_waits_for_any_more_is_dropped() -> None:
    task_scheduler = new_scheduler(1)
    bundle = take(task_scheduler)
    task_scheduler.lost(bundle.id, "gone", [], 1.0, blame="nobody")
    assert task_scheduler.returned(back(bundle, make_result(0)), 2.0) is None
    assert task_scheduler.state.done == 0


def test_a_new_head_sends_only_what_the_journal_does_not_have() -> None:
    state = RunState(4)
    state.status[0], state.status[2] = DONE, FAILED
    task_scheduler = TaskScheduler(make_plan(tasks=4), state, make_tasks(4), 2, lambda _: NO_OUTPUT)
    assert [take(task_scheduler).tasks[0].index for _ in range(2)] == [1, 3]
    assert task_scheduler.next_bundle(2) is None


def joined(worker: str) -> Joined:
    return Joined(t=1.0, worker=worker, job_id="1", node="n", cores=1, memory_mib=1)


def opened(incarnation: int, again: list[int]) -> Opened:
    return Opened(
        run="r", incarnation=incarnation, nonce="n", job_id="1", node="n", pid=1, t=1.0,
        again=again,
    )  # fmt: skip


def credit(state: RunState, *spooled: Spooled, **plan: object) -> list[Lost]:
    made = make_plan(tasks=state.tasks, **plan)
    found = credit_spools(made, state, spooled, incarnation=2, store=lambda _: NO_OUTPUT, now=5.0)
    return list(found)


def test_a_new_head_credits_what_runners_finished_and_could_not_deliver() -> None:
    state = RunState(4)
    state.status[1] = DONE
    events = credit(state, *(Spooled("w", "1-7", make_result(i)) for i in (0, 1, 2)))
    assert [row.index for event in events for row in event.rows] == [0, 2]
    assert state.done == 3
    assert state.status[3] == WAITING


def test_a_spooled_failure_is_a_recorded_attempt_and_final_when_no_retry_is_left() -> None:
    state = RunState(2)
    failed = [Spooled("w", "1-8", make_result(i, "error", started_at=3.0)) for i in range(2)]
    state.failures[1] = Counter(error=1)
    (event,) = credit(state, *failed, retries=Retries(error=1))
    assert [(row.index, row.final) for row in event.rows] == [(0, False), (1, True)]
    assert (state.status[0], state.status[1]) == (WAITING, FAILED)
    assert state.failures[0]["error"] == 1
    task_scheduler = TaskScheduler(
        make_plan(tasks=2, retries=Retries(error=1)), state, make_tasks(2), 2, lambda _: NO_OUTPUT
    )
    assert take(task_scheduler).attempts == (2,)


def test_resume_failed_means_those_that_only_spools_know_of_as_well() -> None:
    state = RunState(4)
    state.status[3] = DONE
    spooled = [Spooled("w", "1-1", make_result(i, "timeout", started_at=3.0)) for i in (0, 1, 3)]
    spooled.append(Spooled("v", "1-2", make_result(1)))
    assert failures_unseen(state, spooled) == {0}


def test_a_spooled_failure_that_was_delivered_is_not_counted_again() -> None:
    task_scheduler = new_scheduler(1, retries=Retries(error=5))
    first = make_result(0, "error", started_at=3.0004)
    task_scheduler.returned(back(take(task_scheduler), first), 4.0)
    state = task_scheduler.state
    assert not credit(state, Spooled("w1", "1-1", first), retries=Retries(error=5))
    earlier = make_result(0, "error", attempt=3, started_at=2.0)  # its number was given again
    assert not credit(state, Spooled("w1", "1-0", earlier), retries=Retries(error=5))
    second = make_result(0, "error", attempt=2, started_at=6.0)
    assert len(credit(state, Spooled("w1", "1-2", second), retries=Retries(error=5))) == 1
    assert state.failures[0]["error"] == 2


def test_a_spooled_success_counts_before_a_failure_and_what_is_lost_not_at_all() -> None:
    state = RunState(2)
    failed = Spooled("w", "1-8", make_result(0, "error"))
    done = Spooled("v", "1-9", make_result(0, attempt=2))
    assert [e.worker for e in credit(state, failed, done)] == ["v"]
    assert state.done == 1
    assert not credit(state, Spooled("w", "1-8", make_result(1, "lost")))


def test_a_task_that_resume_runs_again_is_not_credited_from_before() -> None:
    state = RunState(1)
    state.status[0] = DONE
    state.apply(opened(2, again=[0]), 2)
    for kind in ("ok", "error"):
        assert not credit(state, Spooled("w", "1-1", make_result(0, kind)))
    assert state.status[0] == WAITING


def test_a_task_whose_worker_stays_is_poison_at_once_the_third_time() -> None:
    task_scheduler = new_scheduler(2)
    for _ in range(3):
        task_scheduler.state.apply(joined("w"), 1)
        bundle = take(task_scheduler)
        task_scheduler.began(bundle.id, "w")
        event = task_scheduler.lost(bundle.id, "the engine's worker ended", [], 1.0, blame="task")
    assert event is not None
    assert [row.kind for row in event.rows] == ["poison"]
    assert task_scheduler.state.status[0] == FAILED


def test_a_new_head_remembers_how_much_memory_a_task_was_given() -> None:
    task_settings = TaskSettings(run="r", memory_mib=600)
    retries = Retries(memory=5, memory_grow=2.0)
    task_scheduler = new_scheduler(1, retries=retries, task_settings=task_settings)
    task_scheduler.returned(back(take(task_scheduler), make_result(0, "memory")), 1.0)
    plan = make_plan(tasks=1, retries=retries, task_settings=task_settings)
    following = TaskScheduler(plan, task_scheduler.state, make_tasks(1), 2, lambda _: NO_OUTPUT)
    assert take(following).task_settings.memory_mib == 1200


def test_a_worker_that_comes_again_keeps_those_it_is_suspected_of() -> None:
    task_scheduler = new_scheduler(1)
    task_scheduler.state.apply(joined("w"), 1)
    bundle = take(task_scheduler)
    task_scheduler.began(bundle.id, "w")
    task_scheduler.lost(bundle.id, "its connection broke", [], 1.0, blame="slurm")
    task_scheduler.state.apply(joined("w"), 1)
    task_scheduler.explained("w", "PREEMPTED", 2.0)
    assert task_scheduler.state.failures[0]["lost"] == 0


@settings(max_examples=200, deadline=None)
@given(total=st.integers(1, 30), seed=st.integers(0, 2**32))
def test_whatever_happens_every_task_ends_exactly_once(total: int, seed: int) -> None:
    chance = random.Random(seed)
    task_scheduler = new_scheduler(total, retries=Retries(error=1, memory=1, memory_grow=2.0))
    replayed = RunState(total)
    for state in (task_scheduler.state, replayed):
        state.apply(joined("w"), 1)
    ended: list[int] = []
    out: list[Bundle] = []
    while not task_scheduler.finished:
        bundle = task_scheduler.next_bundle(3)
        if bundle:
            out.append(bundle)
        if bundle and chance.random() < 0.5:
            continue
        if not out:  # all that is left is under suspicion
            events = task_scheduler.explained("w", chance.choice(["FAILED", "PREEMPTED"]), 1.0)
            for said in events:
                replayed.apply(said, 1)
            ended += [r.index for said in events if isinstance(said, Lost) for r in said.rows]
            continue
        bundle = out.pop(chance.randrange(len(out)))
        results = [
            make_result(task.index, chance.choice(["ok", "ok", "ok", "error", "lost"]))
            for task in bundle.tasks[: chance.randint(0, len(bundle.tasks))]
        ]
        event: Returned | Lost | None
        if chance.random() < 0.6:
            event = task_scheduler.returned(back(bundle, *results), 1.0)
        else:
            task_scheduler.began(bundle.id, "w")
            event = task_scheduler.lost(
                bundle.id, "x", results, 1.0, blame=chance.choice(["nobody", "slurm", "task"])
            )
        assert event is not None
        replayed.apply(event, 1)
        ended += [row.index for row in event.rows if row.final]
    assert sorted(ended) == list(range(total))
    assert replayed.status == task_scheduler.state.status
    assert replayed.duplicates == 0
