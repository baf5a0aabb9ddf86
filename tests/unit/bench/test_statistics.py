"""Medians, their intervals, and the figures of samples."""

from __future__ import annotations

import random
import statistics

import pytest

from hpckit.bench.statistics import figures, interquartile, median_interval, summed_up

from .samples import make


def test_the_interval_of_equal_values_is_that_value() -> None:
    assert median_interval([3.0, 3.0, 3.0], seed=1) == (3.0, 3.0)


def test_the_interval_holds_the_median_and_lies_within_the_values() -> None:
    values = [4.2, 4.0, 4.9, 4.1, 4.4]
    low, high = median_interval(values, seed=7)
    assert min(values) <= low <= statistics.median(values) <= high <= max(values)


def test_the_interval_depends_on_nothing_but_values_and_seed() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    assert median_interval(values, seed=3) == median_interval(values, seed=3)


def test_the_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    generator = random.Random(5)
    covered = 0
    for trial in range(100):
        low, high = median_interval([generator.gauss(10, 2) for _ in range(25)], seed=trial)
        covered += low <= 10 <= high
    assert covered >= 88


def test_the_spread_is_the_distance_of_the_quartiles() -> None:
    assert interquartile([1.0, 2.0, 3.0, 4.0, 5.0]) == 2.0
    assert interquartile([1.0]) == 0.0


def test_a_single_value_is_its_own_interval() -> None:
    assert summed_up([2.5], seed=1) == {"median": 2.5, "low": 2.5, "high": 2.5, "spread": 0.0}


def test_repeats_make_one_figure_and_other_cases_others() -> None:
    samples = [
        make(known=1006.0), make(known=1008.0), make(known=1010.0), make("plain-ray"),
        make(workers=2, slots=2, cpus=1),
    ]  # fmt: skip
    found = figures(samples, seed=1)
    assert [(row["case"], row["workers"], row["n"]) for row in found] == [
        ("hpckit-workqueue", 1, 3), ("plain-ray", 1, 1), ("hpckit-workqueue", 2, 1),
    ]  # fmt: skip
    assert found[0]["makespan_s"]["median"] == 8.0
    assert found[0]["makespan_s"]["spread"] == pytest.approx(2.0)


def test_disturbed_and_undisturbed_runs_are_not_repeats_of_one_another() -> None:
    found = figures([make(), make(undisturbed=False)], seed=1)
    assert [row["undisturbed"] for row in found] == [True, False]


def test_figures_stand_in_the_same_order_whoever_was_run_first() -> None:
    samples = [make("plain-ray"), make("hpckit-ray", size=96), make("hpckit-ray")]
    assert [(row["size"], row["case"]) for row in figures(samples, seed=1)] == [
        (16, "hpckit-ray"), (16, "plain-ray"), (96, "hpckit-ray"),
    ]  # fmt: skip


def test_what_was_not_measured_is_null_in_the_figure() -> None:
    assert figures([make(), make()], seed=1)[0]["head_memory_mib"] is None


def test_what_was_measured_only_sometimes_is_summed_up_of_these_times() -> None:
    found = figures([make(), make(head_mib=80.0)], seed=1)
    assert found[0]["head_memory_mib"]["median"] == 80.0
