"""The printed text: the report's figures, the generator's bits, the help."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xxhash

from tests.native.conftest import ROOT, Array, Task, largest_error, smooth

KEYS = {
    "schema", "ratio", "bytes_in", "bytes_out", "max_abs_error", "rmse", "psnr_db",
    "tolerance_requested", "tolerance_effective", "bound_ok", "missing", "xxh3_original",
    "xxh3_payload", "seconds", "peak_rss_bytes", "zfp_version", "stream_word_bits", "stored",
}  # fmt: skip


def of_all_scales(shape: tuple[int, ...]) -> Array:
    """Values that nothing can compress."""
    rng = np.random.default_rng(0)
    return np.ldexp(rng.random(shape), rng.integers(-500, 500, shape))


def test_the_report_says_what_numpy_finds(task: Task, tmp_path: Path) -> None:
    original = smooth((50, 60, 70), "<f4")
    source, packed = tmp_path / "a.npy", tmp_path / "a.hpcz"
    np.save(source, original)
    report = task.good("compress", source, "-o", packed, "--tolerance", "0.005")
    restored = task.decompress(packed, tmp_path / "b.npy")
    difference = original.astype("f8") - restored.astype("f8")
    rmse = float(np.sqrt(np.mean(difference**2)))
    content = packed.read_bytes()

    assert set(report) >= KEYS
    assert report["schema"] == "compress_task.report/1"
    assert set(report["seconds"]) >= {"read", "compress", "verify", "write"}
    assert report["bytes_in"] == source.stat().st_size
    assert report["bytes_out"] == packed.stat().st_size
    assert report["ratio"] == pytest.approx(report["bytes_in"] / report["bytes_out"])
    assert report["max_abs_error"] == largest_error(original, restored)
    assert report["rmse"] == pytest.approx(rmse)
    assert report["psnr_db"] == pytest.approx(20 * np.log10(np.ptp(original) / rmse))
    assert report["tolerance_requested"] == 0.005
    assert report["tolerance_effective"] == 2.0**-8
    assert report["bound_ok"] is True
    assert report["missing"] == 0
    assert report["stored"] == "lossy"
    assert int(report["xxh3_original"], 16) == xxhash.xxh3_64_intdigest(original.tobytes())
    offset = task.good("info", packed)["payload_offset"]
    assert int(report["xxh3_payload"], 16) == xxhash.xxh3_64_intdigest(content[offset:])


def test_the_peak_is_the_programs_own_and_small(task: Task, tmp_path: Path) -> None:
    ballast = bytearray(300_000_000)  # what the parent holds must not be counted
    np.save(tmp_path / "a.npy", np.zeros((200, 500, 500)))  # 400 MB
    report = task.good("compress", tmp_path / "a.npy", "-o", tmp_path / "a", "--tolerance", "1")
    assert report["peak_rss_bytes"] < 120_000_000
    assert len(ballast) == 300_000_000


@pytest.mark.parametrize(
    ("values", "arguments", "stored"),
    [
        (smooth((30, 30)), ["--tolerance", "0.1"], "lossy"),
        (smooth((30, 30)), ["--reversible"], "reversible"),
        (np.full((30, 30), 7.0), ["--relative-tolerance", "0.1"], "reversible"),
        (np.ones(1), ["--tolerance", "0.1"], "raw"),
        (np.zeros((0, 4)), ["--tolerance", "0.1"], "raw"),
        (of_all_scales((30, 30)), ["--reversible"], "raw"),
        (np.full((30, 30), np.nan), ["--tolerance", "0.1"], "lossy"),
    ],
)
def test_the_report_says_how_the_array_is_stored(
    task: Task, tmp_path: Path, values: Array, arguments: list[str], stored: str
) -> None:
    np.save(tmp_path / "a.npy", values)
    report = task.good("compress", tmp_path / "a.npy", "-o", tmp_path / "a", *arguments)
    assert report["stored"] == stored
    assert task.good("info", tmp_path / "a")["stored"] == stored


def test_without_verification_nothing_is_claimed(task: Task, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", smooth((30, 30)))
    arguments = ["-o", tmp_path / "a", "--tolerance", "0.1", "--no-verify"]
    report = task.good("compress", tmp_path / "a.npy", *arguments)
    assert report["bound_ok"] is None
    assert report["max_abs_error"] is None
    assert task.good("info", tmp_path / "a")["verified"] is False
    assert task.good("verify", tmp_path / "a.npy", tmp_path / "a")["bound_ok"] is True


def generated(size: int, seed: int) -> Array:
    """The field by its description in docs/reference/compress-task.md, in numpy."""
    nodes = size // 8 + 2
    with np.errstate(over="ignore"):
        index = np.arange(1, nodes**3 + 1, dtype=np.uint64)
        z = np.uint64(seed) + index * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    values = ((z >> np.uint64(11)).astype("f8") * 2.0**-53).reshape(nodes, nodes, nodes)
    cell, part = np.arange(size) // 8, (np.arange(size) % 8) / 8.0
    for axis in range(3):
        low, high = values.take(cell, axis), values.take(cell + 1, axis)
        t = part.reshape([size if i == axis else 1 for i in range(3)])
        values = low + (high - low) * t
    return np.asarray(values)


@pytest.mark.parametrize(("size", "seed"), [(64, 1), (1, 0), (37, 2**63)])
def test_generated_fields_have_the_bits_that_numpy_makes(
    task: Task, tmp_path: Path, size: int, seed: int
) -> None:
    arguments = ["generate", "-o", tmp_path / "g.npy", "--size", size, "--seed", seed]
    report = task.good(*arguments)
    made = np.load(tmp_path / "g.npy")
    assert np.array_equal(made.view("u8"), generated(size, seed).view("u8"))
    assert int(report["xxh3_original"], 16) == xxhash.xxh3_64_intdigest(made.tobytes())


def test_the_docs_name_the_hash_of_the_generated_field(task: Task, tmp_path: Path) -> None:
    report = task.good("generate", "-o", tmp_path / "g.npy", "--size", 64, "--seed", 1)
    assert report["xxh3_original"] in (ROOT / "docs/reference/compress-task.md").read_text()


def test_generating_and_compressing_at_once_is_the_same(task: Task, tmp_path: Path) -> None:
    task.good("generate", "-o", tmp_path / "g.npy", "--size", 40, "--seed", 7)
    task.good("compress", tmp_path / "g.npy", "-o", tmp_path / "a", "--tolerance", "1e-3")
    task.good("compress", "--generate", "40,7", "-o", tmp_path / "b", "--tolerance", "1e-3")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_lines_in_the_help_compress_check_and_restore(task: Task, tmp_path: Path) -> None:
    text = task.run("--help").stdout
    lines = re.findall(r"^  (compress_task .*)$", text, re.MULTILINE)
    assert [line.split()[1] for line in lines] == ["compress", "verify", "decompress"]
    values = smooth((20, 30))
    values[3] = 1e20
    np.save(tmp_path / "t.npy", values)
    for line in lines:
        task.good(*shlex.split(line)[1:], cwd=tmp_path)
    assert largest_error(values, np.load(tmp_path / "back.npy")) <= 0.01


@pytest.mark.parametrize("command", ["", "compress", "decompress", "verify", "info", "generate"])
def test_every_command_has_help_with_examples_and_exit_codes(task: Task, command: str) -> None:
    outcome = task.run(*command.split(), "--help")
    assert outcome.code == 0
    assert "Example:" in outcome.stdout
    assert "Exit codes:" in outcome.stdout


def test_without_a_command_it_says_what_is_needed(task: Task) -> None:
    for arguments in ([], ["frobnicate"]):
        outcome = task.run(*arguments)
        assert outcome.code == 2
        assert "--help" in outcome.stderr


def test_all_documented_options_exist(task: Task) -> None:
    documented = set(
        re.findall(r"`(--[a-z-]+)", (ROOT / "docs/reference/compress-task.md").read_text())
    )
    commands = ["compress", "decompress", "verify", "info", "generate"]
    help_texts = [task.run(command, "--help").stdout for command in commands]
    known = set(re.findall(r"--[a-z-]+", " ".join([*help_texts, task.run("--help").stdout])))
    assert documented <= known
    assert len(documented) > 10


def test_the_executable_links_no_library_that_a_node_may_lack(task: Task) -> None:
    listed = subprocess.run(["ldd", task.path], check=True, capture_output=True, text=True).stdout
    assert "libzfp" in listed
    assert "libstdc++" not in listed
