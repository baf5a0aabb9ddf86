"""Every case holds on the real Slurm and on the emulated one."""

from __future__ import annotations

import os

import pytest

from tests.conformance.backends import BACKENDS
from tests.conformance.case import Case, all_cases
from tests.conformance.conftest import Await

# In the Debian 13 root the cases of its Slurm are run, on the real one (test_newer_slurm.py).
SINCE = os.environ.get("HPCKIT_CONFORMANCE_SINCE", "")
CASES = [case for case in all_cases() if case.since == SINCE]


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("backend", ["real"] if SINCE else list(BACKENDS))
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.key)
def test_case(case: Case, backend: str, outcome_of: Await) -> None:
    outcome = outcome_of(backend, case)
    if outcome.trouble:
        pytest.fail(outcome.trouble, pytrace=False)
