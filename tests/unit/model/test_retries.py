"""The retries of failed tasks."""

from __future__ import annotations

import pytest

from hpckit.model.failure_kind import FailureKind, meaning
from hpckit.model.retries import Retries


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_kind_of_failure_has_a_meaning_and_a_limit(kind: FailureKind) -> None:
    assert meaning(kind).description
    key = meaning(kind).retry_key
    assert Retries().limit(kind) == 0
    assert not key or Retries(**{key: 2}).limit(kind) == 2


def test_retries_of_a_kind_are_used_up_after_the_allowed_number() -> None:
    retries = Retries(error=2)
    assert not retries.is_used_up("error", None)
    assert not retries.is_used_up("error", {"error": 1, "timeout": 7})
    assert retries.is_used_up("error", {"error": 2})
    assert retries.is_used_up("not_found", None)


def test_memory_grows_up_to_the_memory_of_a_worker() -> None:
    retries = Retries(memory=9, memory_grow=2.0)
    assert retries.memory_mib(500, None, 4000) == 0
    assert retries.memory_mib(500, {"memory": 1}, 4000) == 1000
    assert retries.memory_mib(500, {"memory": 5}, 4000) == 4000
    assert retries.memory_mib(6000, {"memory": 1}, 4000) == 6000
    assert retries.memory_mib(0, {"memory": 1}, 4000) == 0
