"""The summary: what it gathers, what it refuses, what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpckit.bench import plots
from hpckit.bench.summary import main, three
from hpckit.errors import InputError
from tests.unit.bench.made_up import a_document, write


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda _: None)


def test_all_scenarios_come_into_one_text_on_stdout_and_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("baseline", "slurm", "spot"):
        write(tmp_path, name, a_document(name))
    assert main(tmp_path, False) == 0
    said = capsys.readouterr()
    assert (tmp_path / "summary.txt").read_text() == said.out
    assert "hpckit-workqueue    6 ms" in said.out
    assert "what hpckit adds to one task" in said.out
    assert "x1.38" in said.out  # of the undisturbed makespan
    assert "Checks: 3 of 3 passed." in said.out
    assert "pip install 'hpckit[bench]'" in said.err


def test_what_is_missing_is_named_with_the_command_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "baseline", a_document())
    assert main(tmp_path, False) == 0
    text = capsys.readouterr().out
    assert "  spot: hpckit bench spot\n" in text
    assert "  slurm-real: hpckit bench slurm (where a real Slurm can be reached)\n" in text


def test_json_is_one_document_with_a_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "slurm", a_document("slurm"))
    assert main(tmp_path, True) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hpckit.bench-summary/1"
    assert [scenario["name"] for scenario in document["scenarios"]] == ["slurm"]
    assert {figure["case"] for figure in document["figures"]} == {"hpckit-workqueue", "hpckit-ray"}
    assert {"scenario": "spot", "command": "hpckit bench spot"} in document["missing"]
    assert document["failed"] == 0


def test_a_failed_check_is_told_and_makes_the_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = [{"name": "tasks recorded twice", "value": 2, "limit": 0, "pass": False}]
    write(tmp_path, "spot", a_document("spot", checks=failed))
    assert main(tmp_path, False) == 1
    assert "FAILED spot: tasks recorded twice: 2, limit 0" in capsys.readouterr().out


def test_nothing_measured_is_an_error_of_input_that_names_the_commands(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was measured yet") as error:
        main(tmp_path, False)
    assert error.value.exit_code == 2
    assert "hpckit bench baseline" in error.value.hint


def test_a_document_of_another_form_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "spot", a_document("spot", schema="hpckit.bench/7"))
    with pytest.raises(InputError, match=r"bench-spot.json is of schema 'hpckit.bench/7'") as error:
        main(tmp_path, False)
    assert error.value.hint == "Run again: hpckit bench spot"
    path.write_text("{")
    with pytest.raises(InputError, match="not a whole"):
        main(tmp_path, False)


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
def test_unequal_things_are_not_compared_and_the_older_is_to_be_run_again(
    tmp_path: Path, key: str, inner: str, value: object, words: str
) -> None:
    write(tmp_path, "baseline", a_document())
    write(tmp_path, "slurm", unequal(key, inner, value))
    with pytest.raises(InputError, match=words) as error:
        main(tmp_path, False)
    assert error.value.hint.endswith(": hpckit bench slurm")


def test_scenarios_may_have_other_workers_but_one_scenario_may_not(tmp_path: Path) -> None:
    write(tmp_path, "baseline", a_document())
    other = unequal("parameters", "workers", [8])
    write(tmp_path, "slurm", other)
    assert main(tmp_path, False) == 0
    write(tmp_path, "slurm-real", a_document("slurm"))
    with pytest.raises(InputError, match=r"workers is \[8\] in the first"):
        main(tmp_path, False)


def test_cases_with_other_numbers_of_tasks_are_not_compared(tmp_path: Path) -> None:
    document = a_document()
    document["samples"][3]["tasks"] = 10
    write(tmp_path, "baseline", document)
    with pytest.raises(InputError, match="given 200 tasks and plain-ray 10"):
        main(tmp_path, False)


def test_noise_and_workers_that_share_cpus_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = a_document()
    document["machine"].update(noisy=True, noise=["load 3.1 before it began"])
    write(tmp_path, "baseline", document)
    main(tmp_path, False)
    text = capsys.readouterr().out
    assert "  noisy: load 3.1 before it began\n" in text
    assert "  * these workers share the 2 CPUs of one machine" in text


def test_numbers_have_three_digits() -> None:
    assert [three(x) for x in (0, 0.01234, 4.2, 9.999, 71.44, 1234.5, -0.5)] == [
        "0", "0.0123", "4.20", "10.0", "71.4", "1234", "-0.500",
    ]  # fmt: skip
