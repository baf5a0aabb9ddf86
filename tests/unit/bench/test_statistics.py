"""Medians, their intervals, and the figures of samples."""

from __future__ import annotations

import random

import pytest

from hpckit.bench.measure.statistics import (
    figures,
    interquartile,
    interval_ranks,
    median_interval,
    summarize,
)

from .samples import make


def test_the_interval_of_equal_values_is_that_value() -> None:
    assert median_interval([3.0, 3.0, 3.0]) == (3.0, 3.0)


def test_of_few_values_the_interval_is_their_range_with_its_confidence() -> None:
    assert median_interval([4.2, 4.0, 4.9]) == (4.0, 4.9)
    assert [interval_ranks(n) for n in (1, 2, 3, 4)] == [(1, 0.0), (1, 0.5), (1, 0.75), (1, 0.875)]


def test_of_many_values_the_outermost_are_left_out_as_95_percent_allow() -> None:
    # Tables of the sign test: of 10 the second, of 25 the eighth from both ends.
    assert interval_ranks(10) == (2, pytest.approx(0.9785, abs=1e-4))
    assert interval_ranks(25) == (8, pytest.approx(0.9567, abs=1e-4))
    assert all(confidence >= 0.95 for _, confidence in map(interval_ranks, range(6, 60)))


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_interval_covers_the_true_median_as_often_as_it_says(n: int) -> None:
    generator = random.Random(5)
    covered = 0
    for _ in range(2000):
        low, high = median_interval([generator.gauss(10, 2) for _ in range(n)])
        covered += low <= 10 <= high
    assert covered / 2000 == pytest.approx(interval_ranks(n)[1], abs=0.03)


def test_the_spread_is_the_distance_of_the_quartiles() -> None:
    assert interquartile([1.0, 2.0, 3.0, 4.0, 5.0]) == 2.0
    assert interquartile([1.0]) == 0.0


def test_a_single_value_is_its_own_interval() -> None:
    assert summarize([2.5]) == {"median": 2.5, "low": 2.5, "high": 2.5, "spread": 0.0}


def test_repeats_make_one_figure_and_other_cases_others() -> None:
    samples = [
        *(make(results_known_at=at) for at in (1006.0, 1008.0, 1010.0)), make("plain-ray"),
        make(workers=2, slots=2, cpus=1),
    ]  # fmt: skip
    found = figures(samples)
    assert [(row["case"], row["workers"], row["n"]) for row in found] == [
        ("hpckit-workqueue", 1, 3), ("plain-ray", 1, 1), ("hpckit-workqueue", 2, 1),
    ]  # fmt: skip
    assert found[0]["makespan_s"]["median"] == 8.0
    assert found[0]["makespan_s"]["spread"] == pytest.approx(2.0)


def test_disturbed_and_undisturbed_runs_are_not_repeats_of_one_another() -> None:
    found = figures([make(), make(undisturbed=False)])
    assert [row["undisturbed"] for row in found] == [True, False]


def test_the_order_of_figures_does_not_depend_on_the_order_of_runs() -> None:
    samples = [make("plain-ray"), make("hpckit-ray", size=96), make("hpckit-ray")]
    assert [(row["size"], row["case"]) for row in figures(samples)] == [
        (16, "hpckit-ray"), (16, "plain-ray"), (96, "hpckit-ray"),
    ]  # fmt: skip


def test_a_measure_that_was_not_taken_is_null_in_the_figure() -> None:
    assert figures([make(), make()])[0]["head_memory_mib"] is None


def test_a_measure_of_some_repeats_is_summarized_from_these() -> None:
    found = figures([make(), make(head_mib=80.0)])
    assert found[0]["head_memory_mib"]["median"] == 80.0
