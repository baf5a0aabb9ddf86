"""The bag that is measured, and the digest of its outputs."""

from __future__ import annotations

from pathlib import Path

from hpckit.bench.measure.workload import digest_outputs, make_directories

from .samples import workload


def outputs(directory: Path, *names: str) -> Path:
    make_directories(directory)
    for name in names:
        (directory / "out" / name).write_text(f"array {name}")
    return directory


def test_equal_outputs_have_one_digest_also_beside_files_of_killed_tasks(tmp_path: Path) -> None:
    one = outputs(tmp_path / "one", "1", "2")
    other = outputs(tmp_path / "other", "1", "2", ".2.00001c97.tmp")
    assert digest_outputs(workload(tasks=2), one) == digest_outputs(workload(tasks=2), other)


def test_another_content_or_a_missing_output_has_another_digest(tmp_path: Path) -> None:
    whole = outputs(tmp_path / "whole", "1", "2")
    short = outputs(tmp_path / "short", "1")
    wrong = outputs(tmp_path / "wrong", "1", "2")
    (wrong / "out" / "2").write_text("array 3")
    assert len({digest_outputs(workload(tasks=2), place) for place in (whole, short, wrong)}) == 3


def test_a_bag_and_the_baseline_commands_have_the_same_tasks(tmp_path: Path) -> None:
    assert 'range = "1-3"' in workload(tasks=3).bag(tmp_path)
    commands = workload(tasks=3).commands(tmp_path)
    assert [argv[argv.index("--generate") + 1] for argv in commands] == [
        "16,1", "16,2", "16,3",
    ]  # fmt: skip
