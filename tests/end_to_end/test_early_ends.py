"""A run that ends early on purpose, and one whose user closes the terminal."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.chaos import journal_reader
from tests.support.slurm_site import SlurmSite, await_true

BAG = """
[task]
command = ["sh", "-c", "sleep 0.1; exit {code}"]
[each]
number = { range = "1-100" }
code = ["CODE"]
"""


def submit_words(slurm_site: SlurmSite, name: str, code: int) -> tuple[Path, list[str]]:
    root = slurm_site.directory(name)
    (root / "bag.toml").write_text(BAG.replace("CODE", str(code)))
    return root, ["bag.toml", "--backend", "pool", "--site", slurm_site.site, "--name", name]


def test_a_run_with_too_many_failures_stops_early_if_requested(slurm_site: SlurmSite) -> None:
    root, submit = submit_words(slurm_site, "wrong", 3)
    answer = slurm_site.hpckit("submit", *submit, "--max-failures", "5%", "--wait", cwd=root)
    assert answer.code == 1, answer.stderr
    status = slurm_site.status("wrong")
    assert status["state"] == "failed"
    assert 5 <= status["counts"]["failed"] < 60
    assert "--max-failures is 5" in status["why"]


def test_closing_the_terminal_changes_nothing(slurm_site: SlurmSite) -> None:
    root, submit = submit_words(slurm_site, "alone", 0)
    with subprocess.Popen(
        slurm_site.argv("submit", *submit, "--wait"),
        env=slurm_site.env, cwd=root, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as user:  # fmt: skip
        run_dir = Path(slurm_site.env["HPCKIT_RUNS"]) / "alone"
        await_true("the first task", lambda: journal_reader.ended_tasks(run_dir), 120)
        os.killpg(user.pid, signal.SIGHUP)  # as the kernel does when a terminal closes
        user.wait(30)
    assert slurm_site.hpckit("wait", "alone").code == 0
    counts = slurm_site.status("alone")["counts"]
    assert counts == {"done": 100, "failed": 0, "running": 0, "waiting": 0}
