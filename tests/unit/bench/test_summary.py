"""`hpckit bench summary`: reads all results, refuses unequal ones, prints the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpckit.bench.measure import scenario, store
from hpckit.bench.report import plots, text
from hpckit.bench.report.load_results import BenchResult, Interval, load_all, load_result
from hpckit.bench.report.numbers import describe_medians, format_full, seconds, three_digits
from hpckit.bench.report.rows import (
    ADDED_HEAD,
    LOSS_HEAD,
    describe_machine,
    loss_rows,
    overhead_rows,
)
from hpckit.cli.bench import of_no_use
from hpckit.cli.main import run
from hpckit.errors import InputError
from tests.unit.bench.made_up_documents import a_document, write


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda _: None)


def summary(results: Path, *words: str) -> int:
    return run(["bench", "summary", "--out", str(results), *words])


def read(results: Path, name: str, document: dict[str, Any]) -> BenchResult:
    write(results, name, document)
    bench = load_result(results, name)
    assert bench
    return bench


def test_all_scenarios_are_in_one_text_on_stdout_and_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("baseline", "slurm", "spot"):
        write(tmp_path, name, a_document(name))
    assert summary(tmp_path) == 0
    said = capsys.readouterr()
    assert (tmp_path / "summary.txt").read_text() == said.out
    assert "hpckit-workqueue    6 ms" in said.out
    assert "what hpckit adds to one task" in said.out
    assert "x1.38" in said.out  # of the undisturbed makespan
    assert "Checks: 3 of 3 passed." in said.out
    assert "pip install '.[bench]'" in said.err


def test_missing_results_are_named_with_the_command_that_measures_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "baseline", a_document())
    assert summary(tmp_path) == 0
    text = capsys.readouterr().out
    assert "  spot: hpckit bench spot\n" in text
    assert "  slurm-real: hpckit bench slurm (where a real Slurm can be reached)\n" in text


def test_json_is_one_document_with_a_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "slurm", a_document("slurm"))
    assert summary(tmp_path, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hpckit.bench-summary/1"
    assert [scenario["name"] for scenario in document["scenarios"]] == ["slurm"]
    assert {figure["case"] for figure in document["figures"]} == {"hpckit-workqueue", "hpckit-ray"}
    assert {"scenario": "spot", "command": "hpckit bench spot"} in document["missing"]
    assert document["failed"] == 0


def test_a_failed_check_is_printed_and_makes_the_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = [{"name": "tasks recorded twice", "value": 2, "limit": 0, "pass": False}]
    write(tmp_path, "spot", a_document("spot", checks=failed))
    assert summary(tmp_path) == 1
    assert "FAILED spot: tasks recorded twice: 2, limit 0" in capsys.readouterr().out


def test_no_results_at_all_are_an_error_that_names_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert summary(tmp_path) == 2
    said = capsys.readouterr().err
    assert "nothing was measured yet" in said
    assert "hpckit bench baseline" in said


def test_a_document_of_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "spot", a_document("spot", schema="hpckit.bench/7"))
    with pytest.raises(InputError, match=r"bench-spot.json has schema 'hpckit.bench/7'") as error:
        load_all(tmp_path)
    assert error.value.hint == "Run again: hpckit bench spot"
    path.write_text("{")
    with pytest.raises(InputError, match="not a whole"):
        load_all(tmp_path)


def unequal(key: str, inner: str, value: Any) -> dict[str, Any]:
    document = a_document("slurm", when="2026-11-20T10:00:00Z")
    return {**document, key: {**document[key], inner: value}}


@pytest.mark.parametrize(
    ("key", "inner", "value", "words"),
    [
        ("parameters", "tolerance", 0.01, "tolerance is 0.001 in the first and 0.01"),
        ("machine", "cpus", 64, "machine cpus is 2 in the first and 64"),
        ("versions", "ray", "2.59.0", "version of ray is '2.60.0' in the first and '2.59.0'"),
    ],
)
def test_unequal_results_are_refused_and_the_older_ones_named(
    tmp_path: Path, key: str, inner: str, value: object, words: str
) -> None:
    write(tmp_path, "baseline", a_document())
    write(tmp_path, "slurm", unequal(key, inner, value))
    with pytest.raises(InputError, match=words) as error:
        load_all(tmp_path)
    assert error.value.hint.endswith(": hpckit bench slurm")


def test_scenarios_may_have_other_workers_but_one_scenario_may_not(tmp_path: Path) -> None:
    write(tmp_path, "baseline", a_document())
    other = unequal("parameters", "workers", [8])
    write(tmp_path, "slurm", other)
    assert summary(tmp_path) == 0
    write(tmp_path, "slurm-real", a_document("slurm"))
    with pytest.raises(InputError, match=r"workers is \[8\] in the first"):
        load_all(tmp_path)


def test_cases_with_other_numbers_of_tasks_are_not_compared(tmp_path: Path) -> None:
    document = a_document()
    document["samples"][3]["tasks"] = 10
    write(tmp_path, "baseline", document)
    with pytest.raises(InputError, match="given 200 tasks and plain-ray 10"):
        load_all(tmp_path)


def test_noise_and_workers_that_share_cpus_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = a_document()
    document["machine"].update(noisy=True, noise=["load 3.1 before it began"])
    write(tmp_path, "baseline", document)
    summary(tmp_path)
    text = capsys.readouterr().out
    assert "  noisy: load 3.1 before it began\n" in text
    assert (
        "  * these workers share the 2 CPUs of one machine: the ideal counts 2 tasks at a time, "
        "and more workers can gain nothing here\n"
    ) in text


@pytest.mark.parametrize("key", ["life_s", "grace_s", "backends"])
def test_emulated_and_real_reclaims_are_compared_only_where_they_come_alike(
    tmp_path: Path, key: str
) -> None:
    write(tmp_path, "spot", a_document("spot"))
    real = a_document("spot")
    real["parameters"]["kill_wait_s"] = 30.0  # that is the site's
    write(tmp_path, "spot-real", real)
    assert len(load_all(tmp_path)) == 2
    real["parameters"][key] = ["ray"] if key == "backends" else 90.0
    write(tmp_path, "spot-real", real)
    with pytest.raises(InputError, match=f"{key} is"):
        load_all(tmp_path)


def test_a_node_with_more_cpus_than_the_machine_is_explained(tmp_path: Path) -> None:
    place = {"kind": "emulated", "version": "22.05.8", "nodes": 1, "cpus_per_node": 3}
    bench = read(tmp_path, "baseline", a_document(place=place))
    assert describe_machine(bench).startswith(
        "emulated Slurm 22.05.8, 1 node of 3 CPUs (one of them for the head, emulated), on a "
        "machine of 2 CPUs (a machine); hpckit 0.1.0"
    )
    real = read(tmp_path, "slurm-real", a_document("slurm", place={**place, "kind": "slurm"}))
    assert real.measured_on == "Slurm 22.05.8, 1 node of 3 CPUs, asked from a machine of 2 CPUs"


def test_a_difference_within_the_intervals_is_not_given(tmp_path: Path) -> None:
    document = a_document()
    bench = read(tmp_path, "baseline", document)
    rows = [dict(zip(ADDED_HEAD, row, strict=True)) for row in overhead_rows(bench)]
    assert rows[0][">difference"] == "-15 ms"
    for figure in document["figures"]:
        figure["overhead_per_task_ms"].update(low=0.0, high=90.0)
    bench = read(tmp_path, "baseline", document)
    assert {row[-1] for row in overhead_rows(bench)} == {"not told apart"}


def test_a_difference_of_single_runs_is_not_given(tmp_path: Path) -> None:
    document = a_document()
    for figure in document["figures"]:
        figure.update(n=1, confidence=0.0)
    bench = read(tmp_path, "baseline", document)
    assert {row[-1] for row in overhead_rows(bench)} == {"not told apart"}


def test_losses_are_printed_beside_the_undisturbed_run(tmp_path: Path) -> None:
    bench = read(tmp_path, "spot", a_document("spot"))
    row = dict(zip(LOSS_HEAD, loss_rows(bench)[0], strict=True))
    assert row["case"] == "hpckit-workqueue"
    assert (row[">task"], row[">n"]) == ("310 ms", "3")
    assert row[">undisturbed"] == "39.4 s (37.1 to 41.8 s)"
    assert row[">longer"] == "x1.38"
    assert row[">used, undisturbed / reclaimed"] == "90 % / 80 %"


@pytest.mark.parametrize(
    ("n", "confidence", "words"),
    [
        (1, 0.0, "one run each, so without intervals"),
        (2, 0.5, "medians of 2 runs; bars: their range, a 50 % confidence interval"),
        (3, 0.75, "medians of 3 runs; bars: their range, a 75 % confidence interval"),
        (6, 0.9688, "medians of 6 runs; bars: their 95 % confidence intervals"),
    ],
)
def test_the_confidence_of_an_interval_is_printed(n: int, confidence: float, words: str) -> None:
    assert describe_medians(n, confidence, "bars:") == words


def test_numbers_have_three_digits() -> None:
    assert [three_digits(x) for x in (0, 0.01234, 4.2, 9.999, 71.44, 1234.5, -0.5)] == [
        "0", "0.0123", "4.20", "10.0", "71.4", "1234", "-0.500",
    ]  # fmt: skip


def test_a_number_without_an_interval_has_no_brackets() -> None:
    assert format_full(Interval(2.0, 1.9, 2.25), seconds) == "2.00 s (1.90 to 2.25 s)"
    assert format_full(Interval(2.0, 2.0, 2.0), seconds) == "2.00 s"
    assert format_full(None, seconds) == "-"


def test_options_without_effect_on_this_kind_of_slurm_are_named() -> None:
    given = {"grace": 0.0, "kill_wait": 30.0, "preempt_partition": "urgent", "life": 40.0}
    assert [words.split()[0] for words in of_no_use("slurm", given)] == ["--grace", "--kill-wait"]
    assert [words.split()[0] for words in of_no_use("emulated", given)] == ["--preempt-partition"]
    nothing = {"grace": None, "kill_wait": None, "preempt_partition": ""}
    assert of_no_use("slurm", nothing) == of_no_use("emulated", nothing) == []


def test_a_failed_check_of_a_scenario_has_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {}

    def measure(how: Any) -> dict[str, Any]:
        asked.update(vars(how.parameters))
        failed = {"name": "workers reclaimed", "value": 0, "limit": 1, "pass": False}
        return a_document("spot", checks=[{**failed, "hint": "Give more --tasks."}], figures=[])

    monkeypatch.setattr(scenario, "measure", measure)
    monkeypatch.setattr(store, "render", lambda _: "text\n")
    monkeypatch.setattr(text, "render", lambda _: "text\n")
    words = ["--kill-wait", "30", "--size", "16", "--preempt-partition", "urgent"]
    assert run(["bench", "spot", "--out", str(tmp_path), *words]) == 1
    said = capsys.readouterr().err
    assert said.endswith("1 of 1 checks failed: workers reclaimed\n  Give more --tasks.\n")
    assert "--preempt-partition did nothing" in said
    assert (asked["kill_wait_s"], asked["sizes"]) == (30.0, (16,))
