"""The measures that follow from the times of a run."""

from __future__ import annotations

import pytest

from hpckit.bench.measure.cluster import BenchCluster
from hpckit.bench.measure.sample import sample

from .samples import case, make, result, workload


def test_the_measures_follow_from_the_times() -> None:
    # 100 tasks of 50 ms on two slots: 2.5 s at best; they took 4 s, from 2 s on.
    found = make()
    assert found["makespan_s"] == 6.5
    assert found["start_up_s"] == 2.0
    assert found["work_s"] == 4.0
    assert found["throughput_per_s"] == 25.0
    assert found["ideal_s"] == 2.5
    assert found["efficiency"] == 0.625
    assert found["overhead_per_task_ms"] == pytest.approx(30.0)


def test_a_run_at_the_ideal_has_no_overhead() -> None:
    found = make(last_task_end_at=1004.5)
    assert found["efficiency"] == 1.0
    assert found["overhead_per_task_ms"] == 0.0


def test_the_used_capacity_is_relative_to_the_time_of_the_workers() -> None:
    # Two cores for 2 s, and for the last 1.5 s: 7 core-seconds, of which 100 x 0.06 were work.
    workers = [{"start_s": 1.0, "end_s": 3.0}, {"start_s": 4.5, "end_s": 9.0}]
    seen = result(workers=workers, mean_task_s=0.06)
    found = sample(case(), workload(), seen, repeat=0, task_s=0.05)
    assert found["capacity_used"] == pytest.approx(6 / 7, abs=1e-4)


def test_without_times_of_workers_the_used_capacity_is_unknown() -> None:
    assert make("plain-ray")["capacity_used"] is None


def test_a_sample_has_all_keys_of_the_schema() -> None:
    wanted = {
        "case", "engine", "hpckit", "repeat", "size", "task_s", "tasks", "workers", "cpus",
        "slots", "makespan_s", "start_up_s", "work_s", "throughput_per_s", "overhead_per_task_ms",
        "ideal_s", "efficiency", "head_memory_mib", "worker_memory_mib", "bytes_moved", "digest",
        "undisturbed", "reclaimed", "tasks_lost", "recorded_twice", "redone", "wasted_core_s",
    }  # fmt: skip
    assert wanted <= make().keys()


@pytest.mark.parametrize(
    ("kind", "workers", "slots"), [("emulated", 1, 1), ("emulated", 4, 2), ("slurm", 4, 4)]
)
def test_emulated_nodes_share_the_cpus_of_the_machine(
    kind: str, workers: int, slots: int, tmp_path: object
) -> None:
    cluster = BenchCluster(
        kind=kind, version="22.05.8", nodes=4, cpus_per_node=2, site="", slurm_bin="",
        root=tmp_path,  # type: ignore[arg-type]
    )  # fmt: skip
    assert cluster.slots(workers, 1, 2) == slots
