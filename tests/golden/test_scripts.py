"""Whole scripts, as an administrator would read them.

HPCKIT_GOLDEN=write makes them anew, on purpose; read the difference before it is committed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.golden.cases import CASES, golden_file, scripts_of

WRITE = os.environ.get("HPCKIT_GOLDEN") == "write"


@pytest.mark.parametrize(("site", "engine", "shape"), CASES)
def test_the_scripts_of_a_site_are_the_golden_ones(site: str, engine: str, shape: str) -> None:
    for script in scripts_of(site, engine, shape):
        golden = golden_file(site, engine, shape, script.name)
        if WRITE:
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(script.text)
        assert golden.is_file(), f"{golden} is missing; make it with HPCKIT_GOLDEN=write"
        assert script.text == golden.read_text()


def test_every_golden_script_is_one_that_is_rendered() -> None:
    rendered = {golden_file(*case, script.name) for case in CASES for script in scripts_of(*case)}
    folder = golden_file("", "", "", "").parent.parent
    assert set(folder.rglob("*.sh")) == rendered


@pytest.mark.parametrize(("site", "engine", "shape"), CASES)
def test_bash_reads_every_script(site: str, engine: str, shape: str) -> None:
    for script in scripts_of(site, engine, shape):
        read = subprocess.run(
            ["bash", "-n"], input=script.text, text=True, capture_output=True, check=False
        )
        assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs Debian's package shellcheck")
@pytest.mark.parametrize(("site", "engine", "shape"), CASES)
def test_shellcheck_finds_nothing(site: str, engine: str, shape: str, tmp_path: Path) -> None:
    for script in scripts_of(site, engine, shape):
        # SC1091: it cannot follow what the user sources.
        argv = ["shellcheck", "--shell=bash", "--exclude=SC1091", "-"]
        found = subprocess.run(
            argv, input=script.text, text=True, capture_output=True, cwd=tmp_path, check=False
        )
        assert found.stdout == ""
