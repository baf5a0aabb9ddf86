"""The tutorial: its commands work in their order, and print what the page says.

``HPCKIT_TUTORIAL=write pytest tests/end_to_end/test_tutorial.py`` writes the printed text into the
page; read the difference before you commit it.

A block of ``console`` holds commands, each after ``$ ``, with what they print below. A block whose
first line is a comment with a file's name is that file. The words of `MASKS` differ from run to run
and are compared only by their form.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.slurm_site import (
    REPOSITORY,
    SlurmSite,
    clean_environment,
    remove_tree,
    user_environment,
)

PAGE = REPOSITORY / "docs" / "tutorial.md"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
USER_DIRECTORY = "/home/ada/first"  # of as many letters as what `mkdtemp` makes below
MASKS = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "TIME"),
    (r"\b\d+(\.\d+)? (ms|s|tasks/s)\b", "N UNIT"),
    (r"\bpid \d+", "pid N"),
    (r"\bjob( +)\d+", "job N"),
    (r"\b(local-n\d)\b", "local-nN"),
    (r"(?m)^(\S+: \d+ of \d+ done|waiting: .*|running: .*)\n", ""),  # lines now and then
    (r"(?m)0\.\d+$", "N"),  # wall_s, the last column of results
    (r"(?m)\b\d+_\d+-local-nN", "WORKER"),
    (r"[─-]+", "-"),
    (r" +", " "),
)


def masked(text: str) -> str:
    """Return a text with what differs from run to run replaced."""
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return text.strip()


@pytest.fixture
def user(tmp_path: Path) -> Iterator[SlurmSite]:
    """A user with a home directory of its own, and no emulated Slurm yet."""
    root = Path(os.path.realpath(tmp_path))
    env = user_environment(root, clean_environment())
    del env["HPCKIT_RUNS"]
    env |= {"HPCKIT_EMULATOR_DIR": str(root / "e"), "LC_ALL": "C.UTF-8"}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    found = SlurmSite("local", root, env)
    yield found
    found.hpckit("emulate", "down")
    remove_tree(root)


@pytest.fixture
def directory() -> Iterator[Path]:
    """The directory in which the user works."""
    found = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    assert len(str(found)) == len(USER_DIRECTORY)
    yield found
    remove_tree(found)


def run(command: str, user: SlurmSite, directory: Path) -> str:
    """Return what a command prints, as a terminal without colours shows it."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory, env=user.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.stdout.replace(str(directory), USER_DIRECTORY)


def test_every_command_of_the_laptop_part_prints_what_the_page_says(
    user: SlurmSite, directory: Path
) -> None:
    text = PAGE.read_text()
    laptop = text[: text.index("## On a cluster")]
    written, differences = text, []
    for kind, body in BLOCK.findall(laptop):
        if name := re.match(r"# (\S+\.\w+)\n", body):
            (directory / name[1]).write_text(body)
        if kind != "console":
            continue
        printed = ""
        for command, expected in re.findall(r"\$ (.*)\n((?:(?!\$ ).*\n)*)", body):
            output = run(command, user, directory)
            printed += f"$ {command}\n{output}"
            if masked(output) != masked(expected):
                differences.append((command, masked(expected), masked(output)))
        written = written.replace(body, printed)
    if os.environ.get("HPCKIT_TUTORIAL") == "write":
        PAGE.write_text(written)
        return
    assert differences == []
