"""Samples of unequal bags or outputs are not compared."""

from __future__ import annotations

from hpckit.bench.measure.checks import check_correctness, unequal_bags, unequal_outputs
from hpckit.bench.measure.sample import Losses
from hpckit.bench.measure.scenario import shuffled

from .samples import make


def test_equal_outputs_may_be_compared() -> None:
    checks, incomparable = check_correctness([make(), make("plain-ray")])
    assert all(check["pass"] for check in checks)
    assert incomparable == set()


def test_the_case_with_other_outputs_is_named() -> None:
    samples = [make(), make("hpckit-ray"), make("plain-ray", digest="d2")]
    assert unequal_outputs(samples) == {16: ["plain-ray"]}
    checks, incomparable = check_correctness(samples)
    assert "not so plain-ray" in checks[0]["name"]
    assert not checks[0]["pass"]
    assert incomparable == {16}


def test_of_two_cases_that_differ_both_are_named() -> None:
    assert unequal_outputs([make(), make("plain-ray", digest="d2")]) == {
        16: ["hpckit-workqueue", "plain-ray"]
    }


def test_another_size_has_other_outputs() -> None:
    assert unequal_outputs([make(), make(size=96, digest="d2")]) == {}


def test_unequal_bags_are_named() -> None:
    assert unequal_bags([make(), make("plain-ray", tasks=90)]) == {16: ["tasks: 90, 100"]}


def test_unequal_slots_for_as_many_workers_are_named() -> None:
    assert unequal_bags([make(), make("plain-ray", slots=1)]) == {16: ["slots of 1 workers: 1, 2"]}


def test_lost_tasks_and_tasks_recorded_twice_fail() -> None:
    checks, _ = check_correctness([make(losses=Losses(tasks_lost=1, recorded_twice=2))])
    failed = {check["name"]: check["value"] for check in checks if not check["pass"]}
    assert failed == {"tasks lost": 1, "tasks recorded twice": 2}


def test_repeats_are_interleaved_each_in_an_order_of_its_own() -> None:
    cases = ["a", "b", "c", "d"]
    found = list(shuffled(cases, 5, seed=1))
    rounds = [[case for repeat, case in found if repeat == number] for number in range(5)]
    assert [repeat for repeat, _ in found] == sorted(repeat for repeat, _ in found)
    assert all(sorted(order) == cases for order in rounds)
    assert len({tuple(order) for order in rounds}) > 1


def test_the_order_of_the_runs_follows_from_the_seed() -> None:
    cases = list(range(9))
    assert list(shuffled(cases, 2, seed=1)) == list(shuffled(cases, 2, seed=1))
    assert list(shuffled(cases, 2, seed=1)) != list(shuffled(cases, 2, seed=2))
