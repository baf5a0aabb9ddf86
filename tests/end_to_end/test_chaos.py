"""A few rounds of `make chaos`: in spite of faults, every task and output is there at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.cluster import ChaosCluster, emulated_cluster
from tests.chaos.fault_schedule import EVERYWHERE, Round, schedule_rounds
from tests.chaos.run_round import run_round

ROUNDS = (
    Round(1, "t/1", "workqueue", "array", 200, "05", ("kill-worker", "kill-loop", "preemption")),
    Round(2, "t/2", "ray", "allocation", 200, "05", ("kill-engine", "requeue", "term-worker")),
)


@pytest.fixture(scope="module")
def chaos_cluster() -> Iterator[ChaosCluster]:
    with emulated_cluster() as cluster:
        yield cluster


@pytest.mark.timeout(600)  # each wait in it has a deadline of its own
@pytest.mark.parametrize("plan", ROUNDS, ids=lambda plan: f"{plan.backend}-{plan.shape}")
def test_in_spite_of_faults_every_task_is_recorded_once_and_nothing_is_left(
    chaos_cluster: ChaosCluster, plan: Round
) -> None:
    outcome = run_round(chaos_cluster, plan)
    assert not outcome.misses, outcome
    assert len(outcome.effects) == len(plan.faults)


def test_forty_rounds_have_every_fault_five_times_and_engines_and_shapes_alternate() -> None:
    rounds = schedule_rounds("emulated", 1, 40, small_disk=True)
    for fault in (*EVERYWHERE, "scancel-worker", "disk-full", "kill-daemon"):
        assert sum(fault in each.faults for each in rounds) >= 5, fault
    assert len({(each.backend, each.shape) for each in rounds[:4]}) == 4
    assert all(len(set(each.faults)) == 3 for each in rounds)


def test_a_round_is_the_same_whenever_its_seed_is_used_again() -> None:
    once = schedule_rounds("slurm", 7, 12, small_disk=False)
    assert once == schedule_rounds("slurm", 7, 12, small_disk=False)
    assert once[:5] == schedule_rounds("slurm", 7, 5, small_disk=False)
    assert once != schedule_rounds("slurm", 8, 12, small_disk=False)
