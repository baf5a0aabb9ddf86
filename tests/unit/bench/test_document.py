"""The document of a scenario, and its text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpckit.bench.measure.cases import Run
from hpckit.bench.measure.cluster import BenchCluster
from hpckit.bench.measure.document import Measurements, make_document
from hpckit.bench.measure.parameters import make_parameters
from hpckit.bench.measure.sample import RunResult
from hpckit.bench.measure.store import file_names, write
from hpckit.bench.report.text import render
from hpckit.report.tables import table_lines

from .samples import case, result, workload

WORKERS = [{"name": "7_0", "start_s": 1.0, "end_s": 6.0, "state": "COMPLETED", "tasks": []}]


def measured(*runs: tuple[str, RunResult]) -> Measurements:
    """Return runs of equal bags by the names of their cases, measured on a quiet machine."""
    found = Measurements(
        alone={16: [0.05, 0.05]}, busy=[0.0, 0.1],
    )  # fmt: skip
    for name, one in runs:
        found.runs.append((Run(case(name), workload(), lambda _name, _repeat: result()), 0, one))
    return found


def document(found: Measurements, scenario: str = "slurm") -> dict[str, Any]:
    asked = {"backends": ("workqueue", "ray"), "sizes": (16,), "tasks": (100,)}
    cluster = BenchCluster(
        kind="emulated", version="22.05.8", nodes=4, cpus_per_node=2, site="bench", slurm_bin="",
        root=Path("/nowhere"),
    )  # fmt: skip
    parameters = make_parameters(scenario, asked, cpus=2)
    return make_document(parameters, cluster, [workload()], found, ["HyperQueue: get it"])


def test_the_document_has_the_keys_of_the_schema(tmp_path: Path) -> None:
    both = measured(("hpckit-workqueue", result(workers=WORKERS)), ("hpckit-ray", result()))
    paths = write(document(both), tmp_path)
    assert [path.name for path in paths] == ["bench-slurm.json", "slurm_sim_summary.txt"]
    body = json.loads(paths[0].read_text())
    assert body["schema"] == "hpckit.bench/1"
    assert body["place"]["kind"] == "emulated"
    assert body["when"].endswith("Z")
    assert {"cpus", "memory_mib", "model", "kernel", "python", "noisy", "noise"} <= body[
        "machine"
    ].keys()
    assert body["versions"].keys() == {
        "hpckit", "ray", "workqueue", "parallel", "hyperqueue", "zfp",
    }  # fmt: skip
    assert [figure["case"] for figure in body["figures"]] == ["hpckit-ray", "hpckit-workqueue"]
    assert body["figures"][0]["makespan_s"].keys() == {"median", "low", "high", "spread"}
    assert body["timelines"][0]["workers"] == WORKERS
    assert not body["machine"]["noisy"]


def test_the_text_has_the_checks_and_the_missing_tools() -> None:
    text = render(document(measured(("hpckit-ray", result()))))
    assert "100 tasks of size 16, 50.0 ms each alone; n = 1" in text
    assert "one run each, so without intervals" in text
    assert "emulated Slurm 22.05.8, 4 nodes of 2 CPUs" in text
    assert "ok   tasks lost: 0 (limit 0)" in text
    assert "not installed, so not measured: HyperQueue: get it" in text
    assert "the machine was quiet" in text


def test_the_text_has_the_confidence_of_its_intervals() -> None:
    text = render(document(measured(*[("hpckit-ray", result())] * 3)))
    legend = "medians of 3 runs; [in brackets] their range, a 75 % confidence interval"
    assert f"{legend}; median ± interquartile range" in text


def test_unequal_outputs_get_no_figures_and_are_named() -> None:
    runs = measured(("hpckit-workqueue", result()), ("hpckit-ray", result(digest="another")))
    found = document(runs)
    assert found["figures"] == []
    failed = [check["name"] for check in found["checks"] if not check["pass"]]
    assert failed == [
        "size 16: the outputs of all cases are the same: not so hpckit-workqueue, hpckit-ray"
    ]
    assert "MISS size 16" in render(found)


def test_a_noisy_machine_is_noted() -> None:
    runs = measured(("hpckit-ray", result()))
    runs.busy[0] = 900.0
    runs.alone[16] = [0.05, 0.07, 0.09, 0.05]
    noise = document(runs)["machine"]["noise"]
    assert len(noise) == 2
    assert "others kept 900.0 of" in noise[0]
    assert noise[1] == (
        "a task of size 16 alone took 60 ms, but a half of the 4 measurements lies 25 ms apart"
    )


def test_all_times_of_a_task_by_itself_are_kept() -> None:
    assert document(measured(("hpckit-ray", result())))["alone"] == {"16": [0.05, 0.05]}


def test_earlier_runs_of_a_tool_that_failed_are_not_compared() -> None:
    runs = measured(("parallel", result()), ("hpckit-ray", result()))
    runs.fail("parallel", "parallel failed: no more processes")
    found = document(runs)
    assert [sample["case"] for sample in found["samples"]] == ["hpckit-ray"]
    assert found["notes"][-1] == "parallel failed: no more processes"


def test_a_check_without_any_reclaims_has_a_hint() -> None:
    checks = document(measured(("hpckit-ray", result())), "spot")["checks"]
    (check,) = [check for check in checks if "hint" in check]
    assert not check["pass"]
    assert "a shorter --life" in check["hint"]


@pytest.mark.parametrize(
    ("scenario", "kind", "names"),
    [
        ("baseline", "emulated", ("bench-baseline.json", "benchmark_summary.txt")),
        ("spot", "emulated", ("bench-spot.json", "spot_sim_summary.txt")),
        ("slurm", "slurm", ("bench-slurm-real.json", "slurm_real_summary.txt")),
        ("spot", "slurm", ("bench-spot-real.json", "spot_real_summary.txt")),
    ],
)
def test_the_file_names_contain_scenario_and_kind_of_slurm(
    scenario: str, kind: str, names: tuple[str, str]
) -> None:
    assert file_names(scenario, kind) == names


def test_a_table_has_its_numbers_to_the_right() -> None:
    assert list(table_lines(["case", ">n"], [["a", "10"], ["bcd", "2"]])) == [
        "case   n", "────  ──", "a     10", "bcd    2",
    ]  # fmt: skip
