"""Unequal things are not compared."""

from __future__ import annotations

from hpckit.bench.checks import correctness, unequal_bags, unequal_outputs
from hpckit.bench.sample import Losses
from hpckit.bench.scenario import interleaved

from .samples import make


def test_equal_outputs_may_be_compared() -> None:
    checks, incomparable = correctness([make(), make("plain-ray")])
    assert all(check["pass"] for check in checks)
    assert incomparable == set()


def test_the_case_with_other_outputs_is_named() -> None:
    samples = [make(), make("hpckit-ray"), make("plain-ray", digest="d2")]
    assert unequal_outputs(samples) == {16: ["plain-ray"]}
    checks, incomparable = correctness(samples)
    assert "not so plain-ray" in checks[0]["name"]
    assert not checks[0]["pass"]
    assert incomparable == {16}


def test_of_two_that_differ_nobody_knows_who_is_right() -> None:
    assert unequal_outputs([make(), make("plain-ray", digest="d2")]) == {
        16: ["hpckit-workqueue", "plain-ray"]
    }


def test_another_size_has_other_outputs() -> None:
    assert unequal_outputs([make(), make(size=96, digest="d2")]) == {}


def test_unequal_bags_are_named() -> None:
    assert unequal_bags([make(), make("plain-ray", tasks=90)]) == {16: ["tasks: 90, 100"]}


def test_unequal_slots_for_as_many_workers_are_named() -> None:
    assert unequal_bags([make(), make("plain-ray", slots=1)]) == {16: ["slots of 1 workers: 1, 2"]}


def test_lost_tasks_and_double_records_fail() -> None:
    checks, _ = correctness([make(losses=Losses(tasks_lost=1, recorded_twice=2))])
    failed = {check["name"]: check["value"] for check in checks if not check["pass"]}
    assert failed == {"tasks lost": 1, "tasks recorded twice": 2}


def test_repeats_are_interleaved_and_another_case_begins_each_time() -> None:
    order = list(interleaved(["a", "b", "c"], 3, seed=1))
    assert order == [
        (0, "b"), (0, "c"), (0, "a"), (1, "c"), (1, "a"), (1, "b"), (2, "a"), (2, "b"), (2, "c"),
    ]  # fmt: skip
