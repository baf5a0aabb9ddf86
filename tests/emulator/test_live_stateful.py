"""A few examples of what `make soak` does for half an hour, on a live cluster."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

from .live import LiveSlurm

LiveSlurm.TestCase.settings = settings(
    max_examples=3, stateful_step_count=12, derandomize=True, database=None, deadline=None,
    phases=[Phase.generate], report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestLiveSlurm = LiveSlurm.TestCase
