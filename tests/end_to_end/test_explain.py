"""`hpckit explain` for the reasons of a real queue, a real end and real tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpckit.emulator import control
from tests.chaos import journal_reader
from tests.chaos.cluster import ChaosCluster, emulated_cluster
from tests.support.slurm_site import await_true

GATED = """
[task]
command = ["sh", "-c", "while [ ! -e go ]; do sleep 0.1; done"]
[each]
number = { range = "1-4" }
"""


@pytest.fixture(scope="module")
def queue() -> Iterator[ChaosCluster]:
    with emulated_cluster() as cluster:
        yield cluster


def submitted(queue: ChaosCluster, name: str, bag: str, *words: str) -> Path:
    root = queue.slurm_site.directory(name)
    (root / "bag.toml").write_text(bag)
    asked = ["--site", queue.slurm_site.site, "--name", name, *words]
    queue.slurm_site.hpckit("submit", "bag.toml", *asked, cwd=root).expect(0)
    return root


def said(queue: ChaosCluster, name: str, *words: str) -> str:
    lines: list[str] = queue.slurm_site.hpckit("explain", name, "--json", *words).document["why"]
    return "\n".join(lines)


def await_said(queue: ChaosCluster, name: str, words: str) -> str:
    last = ""

    def look() -> str:
        nonlocal last
        last = said(queue, name)
        return last if words in last else ""

    try:
        return str(await_true(words, look, 90))
    except AssertionError as error:
        raise AssertionError(f"{error}; last said: {last}") from None


def drained(queue: ChaosCluster, *numbers: int) -> None:
    for number in numbers:
        control.drain(f"chaos-n{number}", name=queue.slurm_site.site)


def resumed(queue: ChaosCluster, *numbers: int) -> None:
    for number in numbers:
        control.resume(f"chaos-n{number}", name=queue.slurm_site.site)


def answers(queue: ChaosCluster) -> bool:
    try:
        queue.slurm("squeue")
    except RuntimeError:
        return False
    return True


def head_of(queue: ChaosCluster, name: str) -> str:
    jobs = map(json.loads, (queue.runs / name / "jobs.jsonl").read_text().splitlines())
    return next(str(job["job_id"]) for job in jobs if job["role"] in ("head", "allocation"))


@pytest.mark.timeout(400)
def test_each_reason_is_named_from_the_queue_to_the_end(queue: ChaosCluster) -> None:
    submitted(queue, "first", 'task.command = ["true"]\neach.n = [1]\n', "--backend", "pool")
    assert queue.slurm_site.hpckit("wait", "first").code == 0
    assert said(queue, "first") == "every task is done"

    drained(queue, 1, 2, 3, 4)
    words = ["--backend", "workqueue", "--shape", "array", "--nodes", "2"]
    root = submitted(queue, "slow", GATED, *words)
    head = head_of(queue, "slow")
    await_said(queue, "slow", f"the head's job {head} is PENDING; ")
    queue.slurm("scontrol", "hold", head)
    await_said(queue, "slow", "JobHeldUser: it is held: `scontrol release` lets it go")
    assert "JobHeldUser" in said(queue, "slow", "--task", "2")

    queue.slurm("scontrol", "release", head)
    resumed(queue, 1)
    nobody = await_said(queue, "slow", "the head runs, but no worker is here")
    assert "2 worker jobs wait; " in await_said(queue, "slow", "worker jobs wait; "), nobody
    resumed(queue, 2)
    await_said(queue, "slow", "1 worker job waits; ")
    resumed(queue, 3, 4)
    await_said(queue, "slow", "it runs: 2 workers are here, 4 tasks are running")
    assert "it waits for its turn or runs now" in said(queue, "slow", "--task", "2")

    control.controller_down(15, name=queue.slurm_site.site)
    assert "the scheduler does not answer" in said(queue, "slow")
    (root / "go").touch()
    assert queue.slurm_site.hpckit("wait", "slow").code == 0
    assert said(queue, "slow", "--task", "2").startswith("it is done: attempt 1 on ")
    await_true("the controller to be back", lambda: answers(queue), 60)


@pytest.mark.timeout(300)
def test_a_budget_that_is_used_up_and_early_ends_are_named(queue: ChaosCluster) -> None:
    bag = """
task.command = ["sh", "-c", "exit {code}"]
each.code = [0, 3]
retries.error = 1
"""
    submitted(queue, "bad", bag, "--backend", "pool")
    assert queue.slurm_site.hpckit("wait", "bad").code == 1
    assert said(queue, "bad") == "1 task has failed for good: see `hpckit failures bad`"
    one = said(queue, "bad", "--task", "1")
    assert "its budget for error is used up (1 retry)" in one, one

    for name, how in (("ended", "scancel"), ("cancelled", "cancel")):
        submitted(queue, name, GATED, "--backend", "pool")
        await_true("its tasks run", lambda n=name: "running" in said(queue, n), 60)
        if how == "cancel":
            queue.slurm_site.hpckit("cancel", name).expect(0)
        else:
            queue.slurm("scancel", head_of(queue, name))
    await_said(queue, "ended", "CANCELLED")
    assert "it was cancelled; `hpckit resume cancelled` goes on with it" in said(queue, "cancelled")


@pytest.mark.timeout(300)
def test_workers_that_do_not_live_long_enough_are_named(queue: ChaosCluster) -> None:
    bag = """
task.command = ["sleep", "28"]
each.number = [1, 2, 3, 4]
task.resources.cores = 2
"""
    words = ["--backend", "workqueue", "--shape", "array", "--nodes", "1", "--walltime", "1m"]
    submitted(queue, "short", bag, *words)
    await_true("the first task", lambda: journal_reader.ended_tasks(queue.runs / "short"), 90)
    found = await_said(queue, "short", "no worker lives long enough (")
    assert "s left of the walltime); the longest has " in found
    queue.slurm_site.hpckit("cancel", "short").expect(0)


def test_a_task_for_which_no_worker_is_large_enough_is_refused_at_once(queue: ChaosCluster) -> None:
    root = queue.slurm_site.directory("large")
    (root / "bag.toml").write_text(
        'task.command = ["true"]\neach.n = [1]\ntask.resources.cores = 64\n'
    )
    words = ["--backend", "workqueue", "--site", queue.slurm_site.site]
    answer = queue.slurm_site.hpckit("submit", "bag.toml", *words, cwd=root)
    assert answer.code == 2
    assert "64 cores" in answer.stderr
