"""The number of tasks in a bundle, and the number of bundles for an engine."""

from __future__ import annotations

from hpckit.head.bundle_size import MAX_AHEAD, SPARE, Sizer, bundles_held


def test_before_anything_was_measured_a_bundle_is_one_task() -> None:
    assert Sizer().size(1000, 4) == 1


def test_a_bundle_is_about_a_second_of_work_and_smaller_near_the_end() -> None:
    sizer = Sizer()
    sizer.observe([0.1, 0.1])
    assert sizer.size(1000, 4) == 10
    assert sizer.size(16, 4) == 2
    assert sizer.size(1, 4) == 1


def test_a_free_slot_finds_a_spare_bundle() -> None:
    assert bundles_held(1, 0) == 1 + SPARE
    assert bundles_held(40, 0) == 40 + SPARE + 10


def test_workers_that_are_still_to_come_find_their_bundles_there() -> None:
    assert bundles_held(0, 4) == SPARE + 4
    assert bundles_held(2, 2) == 2 + SPARE + 2


def test_a_thousand_slots_to_come_do_not_cut_a_bag_into_single_tasks() -> None:
    assert bundles_held(0, 1000) == SPARE + MAX_AHEAD
