"""Places that cannot be written are told as such, by every command that needs one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Prompt


@pytest.mark.parametrize("words", [("emulate", "up"), ("submit", "--site=local", "--", "true")])
def test_an_emulator_directory_that_cannot_be_made_is_no_bug(
    prompt: Prompt, home: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("HPCKIT_EMULATOR_DIR", str(home / "file"))
    said = prompt(*words)
    assert said.code == 3
    assert f"cannot make {home / 'file'}" in said.err
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
