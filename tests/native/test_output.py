"""An output appears complete and durable, or not at all; whatever happens on the way."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.native.conftest import Task, smooth

BIG = 320  # values along each axis: long enough to be interrupted


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.npy"
    np.save(path, smooth((40, 50, 60)))
    return path


def files_of(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("had_one_before", [False, True])
def test_a_signal_ends_it_and_leaves_nothing(
    task: Task, tmp_path: Path, number: signal.Signals, had_one_before: bool
) -> None:
    target = tmp_path / "a.hpcz"
    if had_one_before:
        target.write_bytes(b"before")
    command = [
        str(task.path),
        "compress",
        "--generate",
        f"{BIG},1",
        "-o",
        str(target),
        "--tolerance",
        "1e-9",
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 - nohup ignores it
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".a.hpcz.*.tmp")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == -number
    assert stdout == b""
    assert files_of(tmp_path) == ({"a.hpcz"} if had_one_before else set())
    if had_one_before:
        assert target.read_bytes() == b"before"


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("command", ["compress", "decompress", "generate"])
@pytest.mark.parametrize("size", [0, 100, 300, 100_000])
def test_a_file_size_limit_is_an_error_and_leaves_nothing(
    task: Task, tmp_path: Path, source: Path, command: str, size: int
) -> None:
    packed = tmp_path / "a.hpcz"
    task.good("compress", source, "-o", packed, "--tolerance", "1e-6")
    before = files_of(tmp_path)
    target = tmp_path / "out"
    arguments = {
        "compress": ["compress", source, "-o", target, "--tolerance", "1e-6"],
        "decompress": ["decompress", packed, "-o", target],
        "generate": ["generate", "-o", target, "--size", 64, "--seed", 1],
    }[command]
    outcome = task.run(*arguments, preexec_fn=limited(size))
    assert outcome.code == 6
    assert "File too large" in outcome.stderr
    assert files_of(tmp_path) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root (and leave to mount)")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.parametrize("command", ["compress", "decompress", "generate"])
def test_a_full_disk_is_an_error_and_leaves_nothing(
    task: Task, tmp_path: Path, source: Path, small_disk: Path, command: str
) -> None:
    packed = tmp_path / "a.hpcz"
    task.good("compress", source, "-o", packed, "--tolerance", "1e-6")
    target = small_disk / "out"
    arguments = {
        "compress": ["compress", source, "-o", target, "--tolerance", "1e-9"],
        "decompress": ["decompress", packed, "-o", target],
        "generate": ["generate", "-o", target, "--size", 64, "--seed", 1],
    }[command]
    outcome = task.run(*arguments)
    assert outcome.code == 6
    assert "No space left on device" in outcome.stderr
    assert files_of(small_disk) == set()


@pytest.mark.parametrize(
    "name", ["a b.hpcz", "quo'te\".hpcz", "new\nline", "grün-日本", "-dash", "x" * 250]
)
def test_hostile_names_are_just_names(task: Task, tmp_path: Path, source: Path, name: str) -> None:
    target = tmp_path / name
    task.good("compress", source, "-o", target, "--tolerance", "1e-3")
    assert task.good("info", target)["file"] == str(target)
    assert files_of(tmp_path) == {"a.npy", name}


def test_a_name_that_is_not_utf8_is_just_a_name(task: Task, tmp_path: Path, source: Path) -> None:
    target = os.fsencode(tmp_path) + b"/\xff.hpcz"
    command: list[str | bytes] = [str(task.path), "compress", str(source), "-o", target]
    command += ["--tolerance", "1e-3"]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run([task.path, "info", target], check=True, capture_output=True)


def test_an_existing_file_is_replaced(task: Task, tmp_path: Path, source: Path) -> None:
    target = tmp_path / "a.hpcz"
    target.write_bytes(b"before")
    task.good("compress", source, "-o", target, "--tolerance", "1e-3")
    assert task.good("info", target)["shape"] == [40, 50, 60]


def test_permissions_follow_the_umask(task: Task, tmp_path: Path, source: Path) -> None:
    target = tmp_path / "a.hpcz"
    arguments = ["compress", source, "-o", target, "--tolerance", "1e-3"]
    task.good(*arguments, preexec_fn=lambda: os.umask(0o027))
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("target", [".", "/dev/null", "missing/a.hpcz", "a.npy", "a.npy/b", ""])
def test_outputs_that_cannot_be_are_refused(
    task: Task, tmp_path: Path, source: Path, target: str
) -> None:
    before = source.read_bytes()
    outcome = task.run("compress", "a.npy", "-o", target, "--tolerance", "1e-3", cwd=tmp_path)
    assert outcome.code in (2, 6)
    assert outcome.stderr.startswith("compress_task: error: ")
    assert files_of(tmp_path) == {"a.npy"}
    assert source.read_bytes() == before
    assert Path("/dev/null").is_char_device()


def test_decompressing_onto_itself_is_refused(task: Task, tmp_path: Path, source: Path) -> None:
    packed = tmp_path / "a.hpcz"
    task.good("compress", source, "-o", packed, "--tolerance", "1e-3")
    (tmp_path / "link").symlink_to(packed)
    before = packed.read_bytes()
    for name in (packed, tmp_path / "link"):
        assert task.run("decompress", packed, "-o", name).code == 2
    assert packed.read_bytes() == before


def test_a_report_that_cannot_be_written_is_an_error(
    task: Task, tmp_path: Path, source: Path
) -> None:
    command = [str(task.path), "compress", str(source), "-o", str(tmp_path / "a.hpcz")]
    command += ["--tolerance", "1e-3"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 6
    assert b"standard output" in done.stderr


def test_little_memory_is_an_error_not_a_crash(task: Task, tmp_path: Path) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (50_000_000, 50_000_000))

    arguments = ["compress", "--generate", "256,1", "-o", tmp_path / "a", "--tolerance", "1e-3"]
    outcome = task.run(*arguments, preexec_fn=little)
    assert outcome.code == 6
    assert "does not fit into memory" in outcome.stderr
    assert files_of(tmp_path) == set()
