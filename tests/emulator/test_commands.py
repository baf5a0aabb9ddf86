"""`hpckit emulate …` as a user types it, on a live cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from hpckit.emulator import control

from .conftest import EmulatedCluster, until


def say(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run ``hpckit emulate`` on the test's own cluster."""
    done = subprocess.run(
        [sys.executable, "-m", "hpckit.cli", "emulate", *words, "--cluster", "own"],
        text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stderr}"
    return done


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(say(*words, "--json").stdout)
    return found


def _states() -> dict[str, str]:
    return {node["name"]: node["state"] for node in control.status("own")["nodes"]}


def test_nodes_are_killed_drained_and_brought_back(own_slurm: EmulatedCluster) -> None:
    job = own_slurm.submit("echo life ${SLURM_RESTART_COUNT:-0}; sleep 60", "--open-mode=append")
    own_slurm.wait_text(f"slurm-{job}.out", "life 0")
    assert document("kill-node", "1")["nodes"] == ["own-n1"]
    own_slurm.wait_text(f"slurm-{job}.out", "life 1")
    say("drain", "own-n[2-3]", "--reason", "bad memory")
    assert _states() | {"own-n2": ""} == {
        "own-n1": "down", "own-n2": "", "own-n3": "drained", "own-n4": "idle",
    }  # fmt: skip
    assert "bad memory" in own_slurm.ask("sinfo", "-R")
    say("resume", "own-n[1-3]")
    assert not {"down", "drained", "draining"} & set(_states().values())


def test_reclaim_and_time_scale(own_slurm: EmulatedCluster) -> None:
    job = own_slurm.submit("echo life ${SLURM_RESTART_COUNT:-0}; sleep 60", "--open-mode=append")
    own_slurm.wait_text(f"slurm-{job}.out", "life 0")
    found = document("reclaim", "--rate", "10/s", "--grace", "0.1s", "--seed", "3")
    assert found["per_hour"] == 36000
    own_slurm.wait_text(f"slurm-{job}.out", "life 1")
    assert document("reclaim", "--off")["per_hour"] == 0
    say("time-scale", "600")
    limited = own_slurm.submit("sleep 60", "-t", "1")  # a tenth of a second
    assert own_slurm.wait_state(limited) == "TIMEOUT"


def test_a_cluster_whose_daemon_was_killed_comes_back_as_large_as_it_was(
    own_slurm: EmulatedCluster,
) -> None:
    control.down("own")
    say("up", "--nodes", "2", "--cpus", "1")
    os.kill(control.status("own")["pid"], signal.SIGKILL)
    until(lambda: control.find("own") is None)
    assert "own-n[1-2]" in say_in_shell("sinfo")
    control.down("own")
    assert len(control.status("own")["nodes"]) == 0
    say("up")
    assert len(control.status("own")["nodes"]) == 4


def say_in_shell(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hpckit.cli", "emulate", "shell", "--cluster", "own", "--", *words],
        text=True, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_slow_controller_and_one_that_is_away(own_slurm: EmulatedCluster) -> None:
    say("slow-controller", "30", "--for", "0.1s")
    time.sleep(0.3)  # until the fault is over; a question before that waits the 30 s
    began = time.monotonic()
    own_slurm.ask("squeue")
    assert time.monotonic() - began < 25
    say("slow-controller", "600")
    say("slow-controller", "0")  # this is not slowed down itself
    own_slurm.ask("squeue")
    job = own_slurm.submit("sleep 60")
    assert own_slurm.wait_state(job, "RUNNING")
    say("controller-down", "5m")
    assert "does not answer" in say("status", code=3).stderr
    assert own_slurm.run("squeue").returncode == 1
    assert own_slurm.state(job) == "RUNNING"
    say("down")  # in spite of it
    assert control.find("own") is None


@pytest.mark.parametrize(
    ("words", "error", "advice"),
    [
        ("kill-node own-n9", "has no node 'own-n9'; it has own-n[1-4].", "Did you mean 'own-n"),
        ("drain 5", "has no node '5'; it has own-n[1-4].", ""),
        ("resume own-n[1-", "has no node 'own-n[1-'", ""),
        ("drain 1 --reason ", "--reason is empty", "Slurm drains no node without a reason."),
        ("reclaim --rate 6", "--rate: cannot read '6' as a rate", '"6/h", "1/m" or "0.1/s"'),
        ("reclaim --rate 6/y", "--rate: cannot read '6/y' as a rate", ""),
        ("reclaim", "reclaim needs either --rate or --off", ""),
        ("reclaim --rate 6/h --off", "reclaim needs either --rate or --off", ""),
        ("reclaim --rate 6/h --partition man", "no partition 'man'; it has main, short, low",
         "Did you mean 'main'?"),
        ("reclaim --rate 6/h --grace x", "--grace: cannot read 'x' as a duration", '"90s"'),
        ("controller-down soon", "SECONDS: cannot read 'soon' as a duration", '"90s"'),
        ("controller-down 0", "SECONDS: duration '0' is not a positive time", ""),
        ("time-scale 0", "FACTOR is '0', but must be a number above 0", ""),
        ("time-scale 1e12", "FACTOR is 1e+12, but must be a number within 0.001 and 86400", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(
    in_process: Any, words: str, error: str, advice: str
) -> None:
    code, said = in_process(*words.split(" "), "--cluster", "own")
    assert code == 2
    assert error in said
    assert advice in said


def test_a_cluster_that_does_not_run_is_named_with_those_that_do(in_process: Any) -> None:
    code, said = in_process("kill-node", "1", "--cluster", "other")
    assert code == 3
    assert "the emulated cluster 'other' is not running; running: own" in said
    assert "hpckit emulate up --cluster other" in said


@pytest.fixture(scope="module")
def _module_cluster(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from .conftest import FAST, end_all

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPCKIT_EMULATOR_DIR", str(tmp_path_factory.mktemp("refusals")))
        try:
            yield control.up(FAST, name="own")
        finally:
            end_all("own")


@pytest.fixture
def in_process(_module_cluster: control.Cluster, capsys: pytest.CaptureFixture[str],
               monkeypatch: pytest.MonkeyPatch) -> Any:  # fmt: skip
    """Run ``hpckit emulate`` within the test; return its exit code and its stderr."""
    from hpckit.cli import main

    monkeypatch.setenv("HPCKIT_EMULATOR_DIR", str(_module_cluster.state_dir.parent))

    def run(*words: str) -> tuple[int, str]:
        code = main.run(["emulate", *words])
        return code, capsys.readouterr().err

    return run
