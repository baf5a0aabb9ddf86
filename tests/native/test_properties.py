"""Whatever the array: no bound is broken by a run that reports success.

`COMPRESS_TASK_EXAMPLES` sets how many arrays each property tries.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hpckit import zfp
from tests.native.conftest import Array, Task, largest_error, raw_bits

EXAMPLES = int(os.environ.get("COMPRESS_TASK_EXAMPLES", "150"))
FILLS = [0.0, -9999.0, 1e20, -1e34]

relaxed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def scales(width: int) -> st.SearchStrategy[float]:
    """Tiny, denormal, ordinary and huge magnitudes."""
    least, most = (-149, 127) if width == 32 else (-1074, 1023)
    return st.integers(least, most).map(lambda e: float(np.ldexp(1.0, e)))


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    """Arrays of any supported kind, from constant to random bits, with random holes."""
    width = draw(st.sampled_from([32, 64]))
    dtype = np.dtype(f"f{width // 8}")
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9))
    kind = draw(st.sampled_from(["constant", "smooth", "noise", "mixed scales", "random bits"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(scales(width))
    with np.errstate(all="ignore"):
        if kind == "constant":
            values = np.full(shape, scale)
        elif kind == "smooth":
            values = scale * np.sin(np.arange(np.prod(shape, dtype=int)) / 7.0).reshape(shape)
        elif kind == "noise":
            values = scale * rng.uniform(-1, 1, shape)
        elif kind == "mixed scales":
            values = scale * rng.uniform(-1, 1, shape) * 2.0 ** rng.integers(-40, 40, shape)
        else:
            bits = rng.integers(0, 2**width, shape, dtype=f"u{width // 8}", endpoint=False)
            values = bits.view(dtype)
        values = np.array(values, dtype)
    holes = rng.random(shape) < draw(st.sampled_from([0.0, 0.0, 0.1, 0.5, 0.95]))
    values[holes] = draw(st.sampled_from([np.nan, np.inf, -np.inf, *FILLS]))
    big_endian = draw(st.booleans())
    order = draw(st.sampled_from("CF"))
    stored = values.astype(dtype.newbyteorder(">" if big_endian else "<"))
    return np.asfortranarray(stored) if order == "F" else stored


def modes() -> st.SearchStrategy[tuple[str, float]]:
    exponents = st.integers(-1074, 1000)
    absolute = st.one_of(
        st.floats(1e-12, 1e6),
        exponents.map(lambda e: float(np.ldexp(1.0, e))),
    )
    return st.one_of(
        st.tuples(st.just("--tolerance"), absolute),
        st.tuples(st.just("--relative-tolerance"), st.floats(1e-9, 1.0)),
        st.tuples(st.just("--reversible"), st.just(0.0)),
    )


def bound_of(mode: tuple[str, float], values: Array, valid: Array) -> float:
    name, number = mode
    if name != "--relative-tolerance" or not valid.any():
        return number
    native = values[valid].astype(np.float64)
    # Each product on its own: the range of huge values of both signs overflows.
    high, low = float(native.max()), float(native.min())
    return min(high * number - low * number, float(np.finfo(np.float64).max))


@relaxed
@given(values=arrays(), mode=modes(), fill=st.sampled_from([None, *FILLS]), lossless=st.booleans())
def test_success_means_that_the_bound_holds_and_holes_are_restored(
    task: Task, values: Array, mode: tuple[str, float], fill: float | None, lossless: bool
) -> None:
    valid = np.isfinite(values)
    arguments: list[object] = [mode[0]] if mode[0] == "--reversible" else list(mode)
    if fill is not None:
        assume(np.isfinite(values.dtype.type(fill)))
        arguments += ["--fill-value", fill]
        valid &= values != values.dtype.type(fill)
    if lossless:
        arguments += ["--on-violation", "lossless"]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        np.save(directory / "a.npy", values)
        packed = directory / "a.hpcz"
        outcome = task.run("compress", directory / "a.npy", "-o", packed, *arguments)
        if outcome.code != 0:
            assert outcome.code in (2, 5), outcome
            assert not packed.exists()
            assert not (lossless or mode[0] == "--reversible"), outcome
            return
        restored = task.decompress(packed, directory / "b.npy")
        assert outcome.report["bound_ok"] is True
        assert restored.dtype == values.dtype
        assert restored.shape == values.shape
        assert np.array_equal(raw_bits(restored)[~valid], raw_bits(values)[~valid])
        bound = bound_of(mode, values, valid)
        assert largest_error(values, restored, valid) <= bound
        if bound == 0:
            assert np.array_equal(raw_bits(restored), raw_bits(values))
        assert np.array_equal(raw_bits(zfp.read(packed)), raw_bits(restored))
        assert task.good("verify", directory / "a.npy", packed)["bound_ok"] is True


@relaxed
@given(values=arrays(), tolerance=st.floats(1e-6, 1e3))
def test_what_python_writes_is_verified_by_the_executable(
    task: Task, values: Array, tolerance: float
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        np.save(directory / "a.npy", values)
        packed = directory / "a.hpcz"
        try:
            zfp.write(packed, values, tolerance=tolerance)
        except zfp.BoundViolatedError:
            assert list(directory.iterdir()) == [directory / "a.npy"]
            return
        assert task.good("verify", directory / "a.npy", packed)["bound_ok"] is True
        restored = task.decompress(packed, directory / "b.npy")
        assert np.array_equal(raw_bits(restored), raw_bits(zfp.read(packed)))
