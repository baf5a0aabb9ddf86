from tests.chaos.reclaim import JobIncarnation, ideal_end, slot_seconds


def test_the_ideal_is_when_the_slots_of_all_incarnations_have_done_the_work() -> None:
    incarnations = [JobIncarnation(0.0, 10.0, "PREEMPTED"), JobIncarnation(5.0, 20.0, "RUNNING")]
    assert ideal_end(incarnations, 2, 10.0) == 5.0
    assert ideal_end(incarnations, 2, 30.0) == 10.0
    assert ideal_end(incarnations, 2, 40.0) == 15.0
    assert ideal_end(incarnations, 2, 51.0) == float("inf")


def test_no_work_is_done_while_there_is_no_worker() -> None:
    incarnations = [JobIncarnation(0.0, 5.0, "PREEMPTED"), JobIncarnation(100.0, 200.0, "RUNNING")]
    assert ideal_end(incarnations, 1, 15.0) == 110.0


def test_the_grace_time_of_reclaimed_workers_is_not_counted() -> None:
    assert JobIncarnation(0.0, 60.0, "PREEMPTED").until_warning(5.0).end == 55.0
    assert JobIncarnation(0.0, 60.0, "RUNNING").until_warning(5.0).end == 60.0


def test_slot_seconds_are_reported_by_their_use_up_to_the_warning() -> None:
    incarnations = [
        JobIncarnation(0.0, 60.0, "PREEMPTED", "5_0").until_warning(5.0),
        JobIncarnation(50.0, 200.0, "RUNNING", "5_1"),
    ]
    worked = {"5_0": [(4.0, 50.0), (6.0, 58.0)]}
    assert slot_seconds(incarnations, worked, ended=58.0) == {
        "start_up": 2 * 4.0 + 2 * 8.0,
        "running": 46.0 + 49.0,
        "between_tasks": 2 * 51.0 - 95.0,
        "running_after_the_warning": 3.0,
    }
