"""The Slurm of an end-to-end test, emulated or real, as a user of hpckit sees it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = REPOSITORY / "native" / "build"


@dataclass(frozen=True)
class SlurmSite:
    """One Slurm, as a user of hpckit sees it.

    Attributes:
        site: the value of ``--site``.
        root: a directory of this session that all nodes see.
        env: the environment of the user's shell.
    """

    site: str
    root: Path
    env: dict[str, str]

    def argv(self, *words: str) -> list[str]:
        """Return the command line of one hpckit command."""
        return [sys.executable, "-P", "-m", "hpckit.cli", *words]

    def hpckit(self, *words: str, cwd: Path | None = None, stdin: str = "") -> Answer:
        """Run one hpckit command to its end."""
        done = subprocess.run(
            self.argv(*words),
            env=self.env,
            cwd=cwd or self.root,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(self, *words: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
        """Run one hpckit command in the background; end it at the end of the block."""
        with subprocess.Popen(
            self.argv(*words),
            env=self.env,
            cwd=cwd or self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def status(self, run: str) -> dict[str, Any]:
        """Return the document of ``hpckit status --json``."""
        return self.hpckit("status", run, "--json").document

    def end_all_runs(self) -> None:
        """Cancel all runs that have not ended."""
        for run in self.hpckit("list", "--json").document["runs"]:
            if run["state"] in ("waiting", "running", "stopped"):
                self.hpckit("cancel", run["run"])

    def directory(self, name: str) -> Path:
        """Create and return a new directory that all nodes see."""
        path = self.root / name
        path.mkdir(parents=True)
        return path


@dataclass(frozen=True)
class Answer:
    """The answer of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout."""
        assert self.stdout.strip(), f"exit {self.code}, nothing on stdout; stderr:\n{self.stderr}"
        return json.loads(self.stdout)

    def expect(self, code: int) -> Answer:
        """Return this answer; fail if it has another exit code."""
        assert self.code == code, f"exit {self.code}, not {code}\n{self.stdout}\n{self.stderr}"
        return self


def user_environment(root: Path, base: dict[str, str]) -> dict[str, str]:
    """Return the environment of a user whose files are all under `root`."""
    own = {"HPCKIT_RUNS": str(root / "runs"), "XDG_CONFIG_HOME": str(root / "config")}
    own["XDG_STATE_HOME"] = str(root / "state")
    return {**base, **own, "PYTHONPATH": str(REPOSITORY)}


def await_true(what: str, check: Callable[[], Any], deadline_s: float = 60.0) -> Any:
    """Return the first true answer of `check`; fail if there is none in time."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {deadline_s:.0f} s")


def processes_of(run_dir: Path, module: str) -> list[psutil.Process]:
    """Return the processes that run ``-m MODULE RUN_DIR``, in any namespace."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if module in words and str(run_dir) in words:
            found.append(process)
    return found


def copy_jobs(target: Path) -> None:
    """Copy jobs/ and create its data under `target`, as in a checkout."""
    shutil.copytree(
        REPOSITORY / "jobs", target / "jobs", ignore=shutil.ignore_patterns("__pycache__")
    )
    fetch = [sys.executable, str(target / "jobs" / "fetch_demo_data.py"), str(target / "data")]
    subprocess.run(fetch, check=True, capture_output=True)


def environ_of(process: psutil.Process) -> dict[str, str]:
    """Return a process's environment, empty if it has just ended."""
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def remove_tree(path: Path) -> None:
    """Remove a directory tree; ignore errors."""
    shutil.rmtree(path, ignore_errors=True)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without variables that change hpckit's behaviour."""
    prefixes = ("SLURM_", "SBATCH_", "HPCKIT_", "RAY_", "WORK_QUEUE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
