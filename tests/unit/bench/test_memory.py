"""The processes whose memory counts as that of the head and of the workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from hpckit.bench.measure.memory import MemoryWatcher, roles_of_run, roles_of_script

BUSY = "import sys, time; data = bytearray(b'x' * (40 << 20)); print(len(data), flush=True); "
REST = "time.sleep(60)"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(processes: list[subprocess.Popen[str]], *words: str) -> subprocess.Popen[str]:
    """Start a process of 40 MiB with these further arguments; return once it has them."""
    argv = [sys.executable, "-c", BUSY + REST, *words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    processes.append(process)
    assert process.stdout
    process.stdout.readline()
    return process


def test_head_and_workers_of_a_run_are_recognized(started: list[subprocess.Popen[str]]) -> None:
    start(started, "hpckit.head", "/runs/mine")
    start(started, "hpckit.worker", "/runs/mine")
    start(started, "hpckit.worker", "/runs/others")
    memory = MemoryWatcher(roles_of_run("/runs/mine"))
    memory.take_sample()
    assert memory.head_mib is not None and 40 < memory.head_mib < 80
    assert memory.worker_mib is not None and 40 < memory.worker_mib < 80
    assert len(memory.seen) == 2


def test_of_several_workers_the_largest_counts(started: list[subprocess.Popen[str]]) -> None:
    for _ in range(2):
        start(started, "hpckit.worker", "/runs/mine")
    memory = MemoryWatcher(roles_of_run("/runs/mine"))
    memory.take_sample()
    assert memory.worker_mib is not None and memory.worker_mib < 80
    assert memory.head_mib is None


def test_the_tree_of_a_script_contains_no_worker_of_others(
    started: list[subprocess.Popen[str]],
) -> None:
    script = start(started, "/tmp/mine/config.json")
    memory = MemoryWatcher(
        lambda name, argv: roles_of_script("/tmp/mine/config.json")("raylet", argv),
        workers_in_head=True,
    )
    memory.take_sample()
    assert {process.pid for process in memory.seen} == {script.pid}
    assert memory.worker_mib is None
