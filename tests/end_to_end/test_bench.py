"""`hpckit bench` end to end, with tiny bags: its results, and that no process is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hpckit.assets import find_compress_task
from hpckit.engines.workqueue.binding import find_binding
from hpckit.errors import EngineError
from tests.support.slurm_site import (
    SlurmSite,
    await_true,
    clean_environment,
    remove_tree,
    user_environment,
)

TINY = ("--backends", "workqueue", "--repeats", "1")


@pytest.fixture
def slurm_site() -> Iterator[SlurmSite]:
    """Yield a user of an emulated Slurm of this test, with the C++ task and Work Queue."""
    if find_compress_task() is None:
        pytest.skip("the C++ task is not built: make native")
    try:
        find_binding(os.environ)
    except EngineError as error:
        pytest.skip(error.hint)
    root = Path(tempfile.mkdtemp(prefix="hk-bench-"))
    env = user_environment(root, clean_environment())
    try:
        yield SlurmSite("bench", root, {**env, "HPCKIT_EMULATOR_DIR": str(root / "e")})
    finally:
        remove_tree(root)


def measured(slurm_site: SlurmSite, scenario: str, *words: str) -> tuple[dict[str, Any], str]:
    """Run a scenario; return its document and its text."""
    answer = slurm_site.hpckit("bench", scenario, *TINY, *words, "--json").expect(0)
    out = slurm_site.root / "results"
    document = json.loads((out / f"bench-{scenario}.json").read_text())
    assert answer.document == document
    assert left_running(slurm_site) == []
    (text,) = out.glob("*_summary.txt")
    return document, text.read_text()


def left_running(slurm_site: SlurmSite) -> list[list[str]]:
    """Return the command lines of processes that still run in the directories of this test."""
    found = []
    for process in psutil.process_iter():
        try:
            words, env = process.cmdline(), process.environ()
        except (psutil.Error, OSError):
            continue
        own = env.get("HPCKIT_EMULATOR_DIR", "") == slurm_site.env["HPCKIT_EMULATOR_DIR"]
        if own or any(word.startswith(str(slurm_site.root)) for word in words):
            found.append(words)
    return found


def test_the_baseline_compares_hpckit_with_the_plain_engine(slurm_site: SlurmSite) -> None:
    document, text = measured(slurm_site, "baseline", "--tasks", "8", "--size", "16")
    cases = {sample["case"]: sample for sample in document["samples"]}
    assert {"hpckit-workqueue", "plain-workqueue"} <= cases.keys()
    assert len({sample["digest"] for sample in cases.values()}) == 1
    assert all(check["pass"] for check in document["checks"])
    assert len(document["figures"]) == len(cases)
    for sample in cases.values():
        assert 0 < sample["start_up_s"] < sample["makespan_s"]
        assert sample["tasks_lost"] == 0
    assert "plain-workqueue" in text
    assert "makespan s" in text


def test_on_slurm_the_document_has_the_kind_and_a_timeline(slurm_site: SlurmSite) -> None:
    document, text = measured(
        slurm_site, "slurm", "--tasks", "8", "--size", "16", "--workers", "1,2", "--cpus", "1"
    )
    assert document["place"]["kind"] == "emulated"
    assert "emulated Slurm" in text
    assert {sample["workers"] for sample in document["samples"]} == {1, 2}
    (timeline,) = document["timelines"]
    tasks = [task for worker in timeline["workers"] for task in worker["tasks"]]
    assert len(tasks) == 8
    assert {kind for _, _, kind in tasks} == {"ok"}


def test_reclaimed_capacity_loses_no_task_and_records_none_twice(slurm_site: SlurmSite) -> None:
    words = ("--tasks", "12", "--size", "64", "--workers", "2", "--life", "600")
    out = slurm_site.root / "results"
    slurm_site.hpckit("bench", "spot", *TINY, *words)  # exit 1 where nothing was reclaimed
    document = json.loads((out / "bench-spot.json").read_text())
    assert {sample["undisturbed"] for sample in document["samples"]} == {True, False}
    for sample in document["samples"]:
        assert (sample["tasks_lost"], sample["recorded_twice"]) == (0, 0)
        assert sample["redone"] == 0 or not sample["undisturbed"]
    assert (out / "spot_sim_summary.txt").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_writes_nothing_and_leaves_no_process(
    slurm_site: SlurmSite, number: int
) -> None:
    words = ["bench", "baseline", *TINY, "--repeats", "9", "--tasks", "9", "--size", "16"]
    with subprocess.Popen(
        slurm_site.argv(*words), env=slurm_site.env, cwd=slurm_site.root, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr
        for line in process.stderr:
            if "repeat 0" in line:
                break
        await_true("the next run", lambda: len(left_running(slurm_site)) > 4)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "nothing is written" in said
    assert list((slurm_site.root / "results").iterdir()) == []
    assert left_running(slurm_site) == []


def test_a_parameter_is_refused_before_anything_is_created(slurm_site: SlurmSite) -> None:
    answer = slurm_site.hpckit("bench", "baseline", "--size", "4")
    assert answer.code == 2
    assert "--size is 4, but must be within 8 and 512" in answer.stderr
    assert not (slurm_site.root / "results").exists()
