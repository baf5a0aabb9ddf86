"""Parameters are refused before anything is created."""

from __future__ import annotations

from typing import Any

import pytest

from hpckit.bench.measure.parameters import DEFAULTS, Parameters, choose_backends, make_parameters
from hpckit.errors import InputError


def asked(scenario: str = "baseline", **values: Any) -> Parameters:
    return make_parameters(scenario, {"backends": ("workqueue", "ray"), **values}, cpus=2)


@pytest.mark.parametrize("scenario", DEFAULTS)
def test_the_defaults_are_valid(scenario: str) -> None:
    found = asked(scenario)
    assert len(found.tasks) == len(found.sizes)


def test_a_value_that_is_not_given_is_the_default() -> None:
    assert asked(repeats=None).repeats == DEFAULTS["baseline"]["repeats"]


def test_one_number_of_tasks_serves_all_sizes() -> None:
    assert asked(tasks=(30,), sizes=(16, 32, 64)).tasks == (30, 30, 30)


def test_sizes_without_numbers_of_tasks_get_the_smallest_default() -> None:
    assert asked(sizes=(256, 384)).tasks == (30, 30)


def test_a_number_of_tasks_for_each_size() -> None:
    found = asked(tasks=(200, 10), sizes=(16, 96))
    assert (found.tasks_of(16), found.tasks_of(96)) == (200, 10)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sizes": (4,)}, "--size is 4, but must be within 8 and 512"),
        ({"sizes": (16, 16), "tasks": (9,)}, "--size names 16 twice"),
        ({"tasks": (1, 2, 3)}, "--tasks has 3 numbers and --size 2"),
        ({"tasks": (1,), "sizes": (16,)}, "are fewer than the 2 slots"),
        ({"tolerance": 0.0}, "--tolerance is 0, but must be above 0"),
        ({"tolerance": float("nan")}, "--tolerance is nan"),
        ({"workers": (1, 1)}, "--workers names 1 twice"),
        ({"workers": (200,), "cpus": 2}, "more than 256 slots"),
        ({"port": 80}, "--port is 80, but must be 0, or within 1024"),
        ({"port": 65500}, "--port is 65500"),
        ({"repeats": 101}, "--repeats is 101"),
        ({"life_s": 0.5}, "--life is 0.5"),
        ({"grace_s": -1.0}, "--grace is -1"),
        ({"kill_wait_s": 4000.0}, "--kill-wait is 4000"),
    ],
)
def test_an_invalid_value_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as found:
        asked(**values)
    assert words in str(found.value)


def test_the_documents_parameters_have_the_names_of_the_schema() -> None:
    body = asked(tasks=(200, 10), sizes=(16, 96)).to_dict()
    assert body["tasks"] == 200
    assert body["tasks_by_size"] == {"16": 200, "96": 10}
    assert body["size"] == [16, 96]
    assert body["backends"] == ["workqueue", "ray"]


def test_by_default_all_engines_with_workers_are_measured() -> None:
    assert choose_backends((), ("workqueue", "ray", "pool")) == ("workqueue", "ray")


def test_the_pool_is_measured_if_it_is_named() -> None:
    assert choose_backends(("pool", "ray"), ("ray", "pool")) == ("ray", "pool")


def test_the_pool_is_refused_on_several_nodes() -> None:
    with pytest.raises(InputError, match="pool works on one node"):
        asked("slurm", backends=("pool",))


def test_an_unknown_engine_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="Did you mean 'workqueue'"):
        choose_backends(("workqeue",), ("workqueue", "pool"))


def test_an_engine_that_is_not_installed_is_refused() -> None:
    with pytest.raises(InputError, match="ray is not installed here"):
        choose_backends(("ray",), ("workqueue", "pool"))


def test_without_any_engine_there_is_nothing_to_measure() -> None:
    with pytest.raises(InputError, match="neither Work Queue nor Ray"):
        choose_backends((), ("pool",))
