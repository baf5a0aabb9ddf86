"""Places that cannot be written are told as such, by every command that needs one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import NOW, MadeUp, Prompt


@pytest.mark.parametrize("words", [("emulate", "up"), ("submit", "--site=local", "--", "true")])
def test_an_emulator_directory_that_cannot_be_made_is_no_bug(
    prompt: Prompt, home: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("HPCKIT_EMULATOR_DIR", str(home / "file"))
    said = prompt(*words)
    assert said.code == 3
    assert f"cannot create {home / 'file'}" in said.err
    assert "Set HPCKIT_EMULATOR_DIR" in said.err


def test_a_demo_directory_that_cannot_be_made_is_no_bug(prompt: Prompt, home: Path) -> None:
    (home / "file").write_text("")
    said = prompt("demo", "--dir", str(home / "file"))
    assert said.code == 3
    assert f"cannot lay the demo out in {home / 'file'}" in said.err
    assert "--dir" in said.err


@pytest.mark.parametrize("names", [",", "ray,", ""])
def test_an_empty_name_of_an_engine_does_not_mean_all(prompt: Prompt, names: str) -> None:
    said = prompt("bench", "baseline", "--backends", names)
    assert said.code == 2
    assert "which leaves a name out" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("status", "x" * 300),
        ("submit", "--dry-run", "x" * 300),
        ("submit", "--dry-run", "--site", "x" * 300, "--", "true"),
    ],
)
def test_a_name_that_no_file_can_have_is_told_as_not_found(
    made_up: Callable[..., MadeUp], prompt: Prompt, words: tuple[str, ...]
) -> None:
    made_up()
    said = prompt(*words)
    assert said.code == 2
    assert "x" * 300 in said.err


def test_programs_and_directories_that_no_file_can_be_are_told_as_missing(prompt: Prompt) -> None:
    said = prompt("submit", "--dry-run", "--set", f"task.cwd={'y' * 300}", "--", f"/{'x' * 300}")
    assert said.code == 0
    assert "is not there; tasks will fail" in said.err
    assert "there is no program" in said.err


def test_a_remembered_run_that_cannot_be_looked_at_hides_no_other(
    made_up: Callable[..., MadeUp], prompt: Prompt, home: Path
) -> None:
    made_up("good")
    index = home / "state" / "hpckit" / "runs"
    index.parent.mkdir(parents=True)
    index.write_text(f"/{'x' * 300}\n")
    assert [run["run"] for run in prompt("list", "--json").document["runs"]] == ["good"]


def test_a_damaged_run_costs_one_message_and_not_a_question_for_each(
    made_up: Callable[..., MadeUp], prompt: Prompt
) -> None:
    runs = [made_up(f"run-{n}") for n in range(3)]
    runs[1].dir.plan.write_text("{")
    said = prompt("list", "--json")
    assert {run["run"] for run in said.document["runs"]} == {"run-0", "run-2"}
    assert "run-1 is not a readable run directory" in said.err
    assert sum(line.startswith("squeue") for line in runs[0].slurm.asked) == 1


def test_the_newest_run_is_that_of_this_place(
    made_up: Callable[..., MadeUp], prompt: Prompt, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those kept here and those submitted from here; a run elsewhere is not meant."""
    kept = made_up("kept-here")
    remembered = home / "state" / "hpckit" / "runs"
    remembered.parent.mkdir(parents=True)
    for age, (name, cwd) in enumerate([("elsewhere", "/a/project"), ("far", str(Path.cwd()))]):
        run = made_up(name)
        run.dir.root.rename(home / name)
        (home / name / "provenance.json").write_text(json.dumps({"cwd": cwd}))
        os.utime(home / name / "plan.json", (NOW - age, NOW - age))
        with remembered.open("a") as stream:
            stream.write(f"{home / name}\n")
    os.utime(kept.dir.plan, (NOW - 5, NOW - 5))
    assert prompt("status").out.startswith("far: ")
    os.utime(kept.dir.plan, (NOW + 5, NOW + 5))
    assert prompt("status").out.startswith("kept-here: ")
    monkeypatch.chdir("/")  # from where nothing was submitted: the newest of all
    monkeypatch.setenv("HPCKIT_RUNS", str(home / "none"))
    assert prompt("status").out.startswith("elsewhere: ")
