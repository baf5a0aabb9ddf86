"""A node that can start no task: it says so, hands all back, and takes its time."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpckit.model.task import Task, TaskSettings
from hpckit.protocol.bundle import Bundle
from hpckit.protocol.result import BundleResult
from hpckit.protocol.runner_client import send_bundle
from hpckit.run.spool import SpoolWriter
from hpckit.worker.cancellation import Cancellation, SlurmWarning, StopFlag
from hpckit.worker.runner import ResidentRunner, RunnerSettings
from hpckit.worker.slot import Slot, StartPauses, run_bundle
from hpckit.worker.task.classify_exit import OomKills
from hpckit.worker.task.environment import SlotResources
from hpckit.worker.task.orphans import Orphans
from hpckit.worker.task.process import WorkerShared
from hpckit.worker.task.python_client import WarmInterpreter
from hpckit.worker.time_left import TimeLeft

TASKS = tuple(Task(index=index, key=str(index), argv=("true",)) for index in (7, 8, 9))


def a_slot(tmp_path: Path, temporary: Path) -> Slot:
    return Slot(
        worker="w",
        context=SlotResources(0, temporary, {"PATH": os.defpath}),
        shared=WorkerShared(Orphans(), SlurmWarning(), OomKills()),
        time_left=TimeLeft(0.0),
        spool=SpoolWriter(tmp_path / "spool.jsonl"),
        interpreter=WarmInterpreter(sys.executable, "w/0"),
    )


def a_bundle(*tasks: Task, **settings: Any) -> Bundle:
    return Bundle(
        id="1-1",
        task_settings=TaskSettings(run="r", **settings),
        tasks=tasks,
        attempts=(1,) * len(tasks),
    )


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A root of private directories in which none can be made."""
    path = tmp_path / "a 'full' disk"
    path.write_text("")
    return path


def test_a_node_without_room_hands_the_whole_bundle_back_and_says_why(
    tmp_path: Path, full: Path
) -> None:
    slot = a_slot(tmp_path, full)
    result = run_bundle(a_bundle(*TASKS), slot, Cancellation(None, StopFlag()))
    assert (result.results, result.not_run) == ((), (7, 8, 9))
    assert result.reason == f"this node cannot make a directory in {full}: Not a directory"
    slot.spool.close()
    said = [json.loads(line) for line in slot.spool.path.read_text().splitlines()]
    assert said == [{"bundle": "1-1", "not_run": [7, 8, 9], "reason": result.reason}]


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE, errno.ENOMEM])
def test_a_node_that_cannot_fork_keeps_what_it_had_done_and_hands_back_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    start, starts = subprocess.Popen, []

    def only_once(*args: Any, **more: Any) -> subprocess.Popen[bytes]:
        starts.append(args)
        if len(starts) > 1:
            raise OSError(number, os.strerror(number))
        return start(*args, **more)

    monkeypatch.setattr(subprocess, "Popen", only_once)
    call = Task(index=8, key="8", function="os:getpid")
    slot = a_slot(tmp_path, tmp_path)
    for second, what in ((TASKS[1], "true"), (call, sys.executable)):
        starts.clear()
        bundle = a_bundle(TASKS[0], second, TASKS[2])
        result = run_bundle(bundle, slot, Cancellation(None, StopFlag()))
        assert [(done.index, done.kind) for done in result.results] == [(7, "ok")]
        assert (result.not_run, len(starts)) == ((8, 9), 2)
        assert f"this node cannot start {what}" in result.reason
        assert os.strerror(number) in result.reason


def test_a_task_that_is_lost_to_a_cut_is_no_sign_of_a_node_that_starts_nothing(
    tmp_path: Path,
) -> None:
    slot, over = a_slot(tmp_path, tmp_path), StopFlag()
    threading.Timer(0.3, over.raise_, ["the run is cancelled"]).start()
    long = Task(index=1, key="1", argv=("sleep", "60"))
    result = run_bundle(a_bundle(long, *TASKS), slot, Cancellation(None, over))
    assert [(done.index, done.kind) for done in result.results] == [(1, "lost")]
    assert (result.not_run, result.reason) == ((7, 8, 9), "the run is cancelled")
    assert slot.pauses.take() == 0


def test_a_task_for_which_no_worker_lives_long_enough_fails_instead_of_being_begun_for_ever(
    tmp_path: Path,
) -> None:
    slot, over = a_slot(tmp_path, tmp_path), StopFlag()
    now = time.time()  # the job begins
    slot = replace(slot, time_left=TimeLeft(now + 1, now))
    threading.Timer(0.8, over.raise_, ["the walltime is over"]).start()
    long = Task(index=1, key="1", argv=("sleep", "60"))
    result = run_bundle(a_bundle(long), slot, Cancellation(None, over))
    (done,) = result.results
    assert (done.kind, "not done after " in done.message) == ("timeout", True)
    slot.spool.close()
    assert '"kind":"timeout"' in slot.spool.path.read_text(), "an heir of the head learns of it"


def test_the_pauses_double_up_to_half_a_minute_and_begin_anew_after_a_start() -> None:
    pauses = StartPauses()
    taken = []
    for _ in range(9):
        pauses.could_not_start("no room")
        taken.append(round(pauses.take(), 1))
    assert taken == [0.3, 0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 30, 30]
    assert pauses.take() == 0
    pauses.could_start()
    pauses.could_not_start("no room")
    assert pauses.take() == 0.3


@pytest.fixture
def runner(tmp_path: Path, full: Path) -> Iterator[ResidentRunner]:
    """A runner of one slot, on a node without room."""
    settings = RunnerSettings(
        worker="w", socket=tmp_path / "s", temporary=full, spool=tmp_path / "spool.jsonl",
        slots=1, gpus=0, python=sys.executable, env={"PATH": os.defpath},
    )  # fmt: skip
    made = ResidentRunner(settings, TimeLeft(0.0), SlurmWarning())
    made.start()
    yield made
    made.close()


def ask(runner: ResidentRunner) -> BundleResult:
    data = a_bundle(*TASKS).to_json().encode()
    return BundleResult.from_json(send_bundle(str(runner.settings.socket), data))


def test_a_slot_rests_before_it_takes_up_more_and_the_log_says_why_once(
    runner: ResidentRunner, full: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    reasons = [ask(runner).reason for _ in range(3)]
    assert time.monotonic() - began >= 0.9  # 0.3 and 0.6 s lie between them
    assert set(reasons) == {f"this node cannot make a directory in {full}: Not a directory"}
    assert capfd.readouterr().out.count("its slots pause before they try again") == 1
    full.unlink()
    full.mkdir()
    assert [done.kind for done in ask(runner).results] == ["ok"] * 3
    began = time.monotonic()
    assert ask(runner).reason == ""
    assert time.monotonic() - began < 1


def test_a_slot_that_rests_lets_a_draining_runner_refuse_at_once(runner: ResidentRunner) -> None:
    for _ in range(4):  # the slot rests for 2.4 s now
        ask(runner)
    with socket.socket(socket.AF_UNIX) as waits:
        waits.connect(str(runner.settings.socket))
        waits.sendall(a_bundle(*TASKS).to_json().encode() + b"\n")
        runner.time_left.drain("preempted")
        began = time.monotonic()
        answer = BundleResult.from_json(waits.makefile("rb").readline())
    assert answer.reason == "preempted"
    assert time.monotonic() - began < 2
