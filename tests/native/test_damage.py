"""Damaged and foreign files end in exit code 7: never in a crash, never in an array."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import xxhash

from hpckit import zfp
from tests.native.conftest import Task, smooth

CORPUS = Path(__file__).parent / "corpus"


@pytest.fixture(scope="module")
def good_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A lossy file with a mask."""
    values = smooth((11, 12, 13), "<f4")
    values[3, 4:9] = np.nan
    path = tmp_path_factory.mktemp("good") / "a.hpcz"
    zfp.write(path, values, tolerance=1e-3)
    return path.read_bytes()


def refused(task: Task, directory: Path, content: bytes) -> None:
    """Both commands refuse it, the Python reader too, and nothing is left behind."""
    damaged = directory / "damaged.hpcz"
    damaged.write_bytes(content)
    for arguments in (["decompress", damaged, "-o", directory / "b.npy"], ["info", damaged]):
        outcome = task.run(*arguments)
        assert outcome.code == 7, outcome
        assert outcome.stdout == ""
        assert outcome.stderr.startswith("compress_task: error: ")
    with pytest.raises(zfp.DamagedFileError):
        zfp.read(damaged)
    assert list(directory.iterdir()) == [damaged]


def with_checksums(content: bytes) -> bytes:
    """The file as someone would leave it who computes the checksums anew."""
    mask, payload = struct.unpack_from("<QQ", content, 152)
    offset = -(-(256 + mask) // 64) * 64
    hashes = [
        xxhash.xxh3_64_intdigest(content[256 : 256 + mask]),
        xxhash.xxh3_64_intdigest(content[offset : offset + payload]),
    ]
    content = content[:168] + struct.pack("<QQ", *hashes) + content[184:]
    return (
        content[:248] + struct.pack("<Q", xxhash.xxh3_64_intdigest(content[:248])) + content[256:]
    )


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 255, 256, 257, 0.5, -64, -1])
def test_a_truncated_file_is_refused(
    each_task: Task, tmp_path: Path, good_file: bytes, kept: float
) -> None:
    length = int(kept * len(good_file)) if isinstance(kept, float) else kept
    refused(each_task, tmp_path, good_file[:length])


def test_a_file_with_one_flipped_bit_is_refused_wherever_it_is(
    each_task: Task, tmp_path: Path, good_file: bytes
) -> None:
    spots = [
        *range(0, 256, 5),
        *range(256, len(good_file), len(good_file) // 40),
        len(good_file) - 1,
    ]
    for spot in spots:
        flipped = bytearray(good_file)
        flipped[spot] ^= 1 << spot % 8
        refused(each_task, tmp_path, bytes(flipped))


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 64, b"x" * 1000])
def test_a_padded_file_is_refused(
    each_task: Task, tmp_path: Path, good_file: bytes, tail: bytes
) -> None:
    refused(each_task, tmp_path, good_file + tail)


def test_a_foreign_file_is_refused(each_task: Task, tmp_path: Path) -> None:
    for content in (b"hello", b"\0" * 300, b"PK\x03\x04" + bytes(500), b"\x93NUMPY" + bytes(300)):
        refused(each_task, tmp_path, content)


def test_a_plain_zfp_stream_is_refused_with_advice(task: Task, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", smooth((9, 9)))
    arguments = ["-o", tmp_path / "a.zfp", "--tolerance", "0.1", "--bare"]
    task.good("compress", tmp_path / "a.npy", *arguments)
    outcome = task.run("decompress", tmp_path / "a.zfp", "-o", tmp_path / "b.npy")
    assert outcome.code == 7
    assert "zfp -h -z" in outcome.stderr


def test_a_payload_cut_short_behind_right_checksums_is_refused(
    each_task: Task, tmp_path: Path, good_file: bytes
) -> None:
    (payload,) = struct.unpack_from("<Q", good_file, 160)
    for less in (8, 100, payload - 12, payload - 13, payload):
        shorter = good_file[:160] + struct.pack("<Q", payload - less) + good_file[168:]
        damaged = tmp_path / "damaged.hpcz"
        damaged.write_bytes(with_checksums(shorter[: len(shorter) - less]))
        assert each_task.run("decompress", damaged, "-o", tmp_path / "b.npy").code == 7
        assert each_task.run("info", damaged).code == 7


def test_a_payload_padded_behind_right_checksums_is_refused(
    each_task: Task, tmp_path: Path, good_file: bytes
) -> None:
    (payload,) = struct.unpack_from("<Q", good_file, 160)
    longer = good_file[:160] + struct.pack("<Q", payload + 16) + good_file[168:] + bytes(16)
    damaged = tmp_path / "damaged.hpcz"
    damaged.write_bytes(with_checksums(longer))
    assert each_task.run("decompress", damaged, "-o", tmp_path / "b.npy").code == 7


def test_a_small_file_cannot_demand_a_huge_array(
    each_task: Task, tmp_path: Path, good_file: bytes
) -> None:
    huge = struct.pack("<4Q", 2**16, 2**16, 2**16, 0)
    content = good_file[:16] + huge + good_file[48:56] + huge + good_file[88:]
    damaged = tmp_path / "damaged.hpcz"
    damaged.write_bytes(with_checksums(content))
    assert each_task.run("decompress", damaged, "-o", tmp_path / "b.npy").code == 7


def test_a_later_version_is_not_called_damaged(
    task: Task, tmp_path: Path, good_file: bytes
) -> None:
    content = with_checksums(good_file[:8] + struct.pack("<H", 2) + good_file[10:])
    (tmp_path / "later.hpcz").write_bytes(content)
    outcome = task.run("info", tmp_path / "later.hpcz")
    assert outcome.code == 4
    assert "version 2" in outcome.stderr


def test_the_fuzz_corpus_crashes_nothing(each_task: Task, tmp_path: Path) -> None:
    for path in sorted(CORPUS.iterdir()):
        for arguments in (["decompress", path, "-o", tmp_path / "b.npy"], ["info", path]):
            outcome = each_task.run(*arguments)
            assert outcome.code in (0, 4, 7), (path, outcome)


def test_good_files_of_the_corpus_are_read_alike_by_both_readers(
    task: Task, tmp_path: Path
) -> None:
    for path in sorted(CORPUS.glob("*.hpcz")):
        expected = zfp.read(path)
        restored = task.decompress(path, tmp_path / "b.npy")
        assert restored.dtype == expected.dtype, path
        assert restored.tobytes() == expected.tobytes(), path


def test_verify_refuses_what_is_not_the_original(task: Task, tmp_path: Path) -> None:
    values = smooth((9, 9))
    np.save(tmp_path / "a.npy", values)
    task.good("compress", tmp_path / "a.npy", "-o", tmp_path / "a.hpcz", "--tolerance", "0.01")
    others = {
        "moved": values + 1.0,
        "shape": values.reshape(-1),
        "type": values.astype("f4"),
        "hole": np.where(values == values[3, 3], np.nan, values),
        "within the bound": values + 1e-9,
    }
    for name, other in others.items():
        np.save(tmp_path / "other.npy", other)
        outcome = task.run("verify", tmp_path / "other.npy", tmp_path / "a.hpcz")
        assert outcome.code == 5, (name, outcome)
