"""The supervisor of an allocation's worker: real processes, each ended by PID."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpckit.common.processes import descendants_of, is_alive, send
from hpckit.worker.recovery.supervisor import MAX_RESTARTS
from tests.support.slurm_site import await_true

#: Stands for the worker: says its PID and which start it is, leaves a child, and waits.
WORKER = """
import os, signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
signal.signal(signal.SIGUSR2, lambda *_: note("USR2"))
def note(text):
    with open(sys.argv[1], "a") as file:
        file.write(text + "\\n")
note(f"{os.environ.get('HPCKIT_WORKER_AGAIN', '0')} {os.getpid()} {child.pid}")
while True:
    time.sleep(60)
"""
SUPERVISE = """
import sys
from hpckit.worker.recovery.supervisor import Supervisor
sys.exit(Supervisor([sys.executable, "-c", sys.argv[1], sys.argv[2]]).run())
"""


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    notes = tmp_path / "notes"
    argv = [sys.executable, "-c", SUPERVISE, WORKER, str(notes)]
    with (
        (tmp_path / "said").open("wb") as said,
        subprocess.Popen(argv, stdout=said) as process,
    ):
        try:
            yield process, notes
        finally:
            send([process.pid, *descendants_of(process.pid)], signal.SIGKILL)


def starts(notes: Path) -> list[tuple[int, int, int]]:
    """Return which start, the worker's PID and its child's, for each worker."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    found = [line.split() for line in lines if line[:1].isdigit()]
    return [(int(again), int(pid), int(child)) for again, pid, child in found]


def await_start(notes: Path, number: int) -> tuple[int, int, int]:
    await_true(f"start {number}", lambda: len(starts(notes)) > number, 30)
    return starts(notes)[number]


def test_a_killed_worker_comes_again_and_what_it_left_is_ended(
    supervised: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, notes = supervised
    again, pid, child = await_start(notes, 0)
    assert again == 0
    os.kill(pid, signal.SIGKILL)
    again, second, _ = await_start(notes, 1)
    assert again == 1
    assert not is_alive(child)
    assert is_alive(second)
    assert process.poll() is None


def test_signals_are_passed_on_and_a_worker_that_leaves_by_itself_is_not_replaced(
    supervised: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, notes = supervised
    await_start(notes, 0)
    process.send_signal(signal.SIGUSR2)
    await_true("USR2 arrives", lambda: "USR2" in notes.read_text(), 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 7
    assert len(starts(notes)) == 1


def test_a_worker_that_is_killed_after_the_warning_is_not_replaced(
    supervised: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, notes = supervised
    _, pid, _ = await_start(notes, 0)
    process.send_signal(signal.SIGUSR2)
    await_true("USR2 arrives", lambda: "USR2" in notes.read_text(), 30)
    os.kill(pid, signal.SIGKILL)
    assert process.wait(30) == 128 + signal.SIGKILL
    assert len(starts(notes)) == 1


def test_a_worker_that_is_killed_again_and_again_is_given_up(
    supervised: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, notes = supervised
    for number in range(MAX_RESTARTS + 1):
        _, pid, _ = await_start(notes, number)
        os.kill(pid, signal.SIGKILL)
    assert process.wait(30) == 128 + signal.SIGKILL
    assert len(starts(notes)) == MAX_RESTARTS + 1
