"""Every case holds on the real Slurm and on the emulated one."""

from __future__ import annotations

import pytest

from tests.conformance.backends import BACKENDS
from tests.conformance.case import Case, all_cases
from tests.conformance.conftest import Await


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("backend", list(BACKENDS))
@pytest.mark.parametrize("case", [c for c in all_cases() if not c.since], ids=lambda c: c.key)
def test_case(case: Case, backend: str, outcome_of: Await) -> None:
    outcome = outcome_of(backend, case)
    if outcome.trouble:
        pytest.fail(outcome.trouble, pytrace=False)
