"""Every type, number of dimensions, memory order, byte order and mode, there and back."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zfpy

from hpckit import zfp
from tests.native.conftest import Array, Task, largest_error, raw_bits, smooth

SHAPES = [(301,), (37, 41), (13, 18, 23), (8, 7, 9, 12)]
DTYPES = ["<f4", ">f4", "<f8", ">f8"]
MODES = {
    "tolerance": ["--tolerance", "1e-3"],
    "relative": ["--relative-tolerance", "1e-5"],
    "reversible": ["--reversible"],
}
CASES = list(itertools.product(SHAPES, DTYPES, "CF", MODES))
FILL = -32768.0


def with_holes(values: Array) -> Array:
    """NaN of two kinds, both infinities and a fill value, scattered and in runs."""
    holes = values.copy(order="K")
    flat = holes.reshape(-1, order="A" if holes.flags.f_contiguous else "C")
    flat[5:17] = np.nan
    flat[40::50] = FILL
    flat[41::97] = np.inf
    flat[43] = -np.inf
    flat[60] = -np.nan
    return flat.reshape(values.shape, order="A" if holes.flags.f_contiguous else "C")


def bound_of(mode: str, values: Array, valid: Array) -> float:
    if mode == "relative":
        return 1e-5 * float(np.ptp(values[valid].astype(np.float64)))
    return {"tolerance": 1e-3, "reversible": 0.0}[mode]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_comes_back_keeps_the_bound_and_every_hole(
    task: Task, tmp_path: Path, case: tuple[tuple[int, ...], str, str, str]
) -> None:
    shape, dtype, order, mode = case
    original = with_holes(smooth(shape, dtype, order=order))
    source, packed = tmp_path / "a.npy", tmp_path / "a.hpcz"
    np.save(source, original)
    report = task.good("compress", source, "-o", packed, *MODES[mode], "--fill-value", FILL)
    restored = task.decompress(packed, tmp_path / "b.npy")

    valid = np.isfinite(original) & (original != FILL)
    bound = bound_of(mode, original, valid)
    assert restored.dtype == original.dtype
    assert restored.shape == original.shape
    assert restored.flags.f_contiguous == original.flags.f_contiguous
    assert largest_error(original, restored, valid) <= bound
    assert np.array_equal(raw_bits(restored)[~valid], raw_bits(original)[~valid])
    assert report["missing"] == np.count_nonzero(~valid)
    assert report["max_abs_error"] == largest_error(original, restored, valid)
    if mode == "reversible":
        assert (tmp_path / "b.npy").read_bytes() == source.read_bytes()

    second = zfp.read(packed)
    assert second.dtype == restored.dtype
    assert np.array_equal(raw_bits(second), raw_bits(restored))
    assert task.good("verify", source, packed)["bound_ok"] is True


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bare_streams_decode_with_zfp_and_zfpy_to_our_values(
    task: Task, tmp_path: Path, zfp_tool: str, case: tuple[tuple[int, ...], str, str, str]
) -> None:
    shape, dtype, order, mode = case
    original = smooth(shape, dtype, order=order)
    source, bare, packed = tmp_path / "a.npy", tmp_path / "a.zfp", tmp_path / "a.hpcz"
    np.save(source, original)
    report = task.good("compress", source, "-o", packed, *MODES[mode])
    assert report["stored"] != "raw"
    task.good("compress", source, "-o", bare, *MODES[mode], "--bare")
    ours = task.decompress(packed, tmp_path / "b.npy")
    native = ours.dtype.newbyteorder("=")

    subprocess.run([zfp_tool, "-q", "-h", "-z", bare, "-o", tmp_path / "c.raw"], check=True)
    by_tool = np.fromfile(tmp_path / "c.raw", native)
    by_zfpy = zfpy.decompress_numpy(bare.read_bytes() + bytes(8))

    in_storage_order = ours.reshape(-1, order=order).astype(native)  # type: ignore[call-overload]
    assert np.array_equal(raw_bits(by_tool), raw_bits(in_storage_order))
    assert np.array_equal(raw_bits(by_zfpy.reshape(-1)), raw_bits(in_storage_order))
    assert by_zfpy.shape == (shape if order == "C" else shape[::-1])


@pytest.mark.parametrize("shape", [(200_003,), (700, 401), (65, 66, 67), (20, 21, 22, 23)])
def test_encoding_in_batches_makes_the_bytes_that_zfp_makes_at_once(
    task: Task, tmp_path: Path, zfp_tool: str, shape: tuple[int, ...]
) -> None:
    original = smooth(shape)
    np.save(tmp_path / "a.npy", original)
    original.tofile(tmp_path / "a.raw")
    task.good(
        "compress", tmp_path / "a.npy", "-o", tmp_path / "ours", "--tolerance", 1e-9, "--bare"
    )
    lengths = [str(n) for n in reversed(shape)]
    command = [zfp_tool, "-q", "-h", "-d", f"-{len(shape)}", *lengths, "-a", "1e-9"]
    subprocess.run([*command, "-i", tmp_path / "a.raw", "-z", tmp_path / "theirs"], check=True)
    ours, theirs = ((tmp_path / name).read_bytes() for name in ("ours", "theirs"))
    common = min(len(ours), len(theirs))
    assert ours[:common] == theirs[:common]
    # Libraries with another stream word end in up to 7 more zero bytes.
    assert not any(ours[common:] + theirs[common:])
    assert abs(len(ours) - len(theirs)) < 8


@pytest.mark.parametrize(
    "shape", [(1, 33, 34), (1, 1, 9, 9), (5000, 4, 3, 2), (70_000, 2, 3), (1, 1)]
)
def test_shapes_that_zfp_cannot_hold_or_would_pad_are_coded_in_another_shape(
    task: Task, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    original = smooth(shape)
    np.save(tmp_path / "a.npy", original)
    task.good("compress", tmp_path / "a.npy", "-o", tmp_path / "a.hpcz", "--tolerance", 1e-2)
    restored = task.decompress(tmp_path / "a.hpcz", tmp_path / "b.npy")
    assert restored.shape == shape
    assert largest_error(original, restored) <= 1e-2
    assert np.array_equal(zfp.read(tmp_path / "a.hpcz"), restored)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_python_writes_the_executable_reads(
    task: Task, tmp_path: Path, shape: tuple[int, ...], order: str, dtype: str
) -> None:
    original = with_holes(smooth(shape, dtype, order=order))
    np.save(tmp_path / "a.npy", original)
    packed = tmp_path / "a.hpcz"
    zfp.write(packed, original, tolerance=1e-3, fill_values=[FILL])
    assert task.good("verify", tmp_path / "a.npy", packed)["bound_ok"] is True
    restored = task.decompress(packed, tmp_path / "b.npy")
    assert np.array_equal(raw_bits(restored), raw_bits(zfp.read(packed)))


@pytest.mark.parametrize("kind", ["dense", "sparse", "runs", "many patterns"])
def test_masks_of_every_kind_are_read_alike_by_both_readers(
    task: Task, tmp_path: Path, kind: str
) -> None:
    rng = np.random.default_rng(3)
    original = smooth((150_000,), "<f8")
    bits = original.view(np.uint64)
    if kind == "dense":
        original[rng.random(original.size) < 0.4] = np.nan
    elif kind == "sparse":
        original[rng.random(original.size) < 1e-4] = np.nan
    elif kind == "runs":
        original[65_000:140_000] = np.nan
    else:
        where = rng.random(original.size) < 0.3
        patterns = rng.integers(1, 1000, original.size, dtype=np.uint64)
        bits[where] = (np.uint64(0x7FF8 << 48) + patterns)[where]
    np.save(tmp_path / "a.npy", original)
    packed = [tmp_path / "c++.hpcz", tmp_path / "python.hpcz"]
    task.good("compress", tmp_path / "a.npy", "-o", packed[0], "--tolerance", 1e-3)
    zfp.write(packed[1], original, tolerance=1e-3)
    holes = ~np.isfinite(original)
    for path in packed:
        restored = task.decompress(path, tmp_path / "b.npy")
        assert np.array_equal(raw_bits(restored)[holes], bits[holes])
        assert largest_error(original, restored, ~holes) <= 1e-3
        assert np.array_equal(raw_bits(zfp.read(path)), raw_bits(restored))


def test_more_kinds_of_nan_than_the_mask_can_list_are_stored_raw(
    task: Task, tmp_path: Path
) -> None:
    original = np.arange(200_000.0)
    original.view(np.uint64)[:70_000] = np.uint64(0x7FF8 << 48) + np.arange(70_000, dtype=np.uint64)
    np.save(tmp_path / "a.npy", original)
    report = task.good("compress", tmp_path / "a.npy", "-o", tmp_path / "a.hpcz", "--tolerance", 1)
    assert report["stored"] == "raw"
    task.decompress(tmp_path / "a.hpcz", tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()
    assert np.array_equal(raw_bits(zfp.read(tmp_path / "a.hpcz")), original.view(np.uint64))
