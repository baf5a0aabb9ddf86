"""Compress one field with zfp, from Python: the function that sea_ice_zfpy.toml runs.

zfp promises nothing for blocks that hold NaN or infinities, and reports success all the
same. So missing cells are filled with the mean of the others before compression, their bits
are kept beside the stream, and the result is decoded and compared before it is kept.
"""

from __future__ import annotations

import math
import os
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zfpy

Array = npt.NDArray[Any]


def compress(
    field: str, out: str, tolerance: float, fill_value: float | None = None
) -> dict[str, object]:
    """Compress the array of a .npy file so that no valid cell changes by more than `tolerance`.

    Args:
        field: a .npy file of float32 or float64, 1 to 4 dimensions.
        out: the .npz file to write; it appears whole or not at all. `restore` reads it.
        tolerance: largest absolute error, in the unit of the field.
        fill_value: a number that stands for missing data, as NaN and infinities always do.

    Returns:
        What was reached: ratio, bytes_in, bytes_out, max_abs_error, and the tolerances.

    Raises:
        ValueError: no such array or tolerance can be compressed, or the bound does not hold.
    """
    if not (math.isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance is {tolerance!r}, but must be a positive number")
    values = _load(field)
    missing = _missing(values, fill_value)
    stream = zfpy.compress_numpy(_filled(values, missing), tolerance=float(tolerance))
    error = _largest_error(values, zfpy.decompress_numpy(stream), missing)
    if not error <= tolerance:
        raise ValueError(
            f"{field}: the bound does not hold: the largest error is {error:.6g}, asked for "
            f"was {tolerance:.6g}; a fill value may be in the data (give it as fill_value), "
            f"or {values.dtype.name} is too coarse for this tolerance"
        )
    _write(
        Path(out),
        stream=np.frombuffer(stream, np.uint8),
        missing=np.packbits(missing),
        holes=values[missing],
    )
    bytes_in, bytes_out = Path(field).stat().st_size, Path(out).stat().st_size
    return {
        "dtype": values.dtype.name,
        "shape": list(values.shape),
        "ratio": bytes_in / bytes_out,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "max_abs_error": error,
        "tolerance_requested": tolerance,
        "tolerance_effective": 2.0 ** math.floor(math.log2(tolerance)),  # zfp's own rounding
        "bound_ok": True,
        "missing": int(missing.sum()),
        "zfpy_version": metadata.version("zfpy"),
    }


def restore(path: str | os.PathLike[str]) -> Array:
    """Return the array that `compress` stored; missing cells come back bit for bit."""
    with np.load(path, allow_pickle=False) as stored:
        values: Array = zfpy.decompress_numpy(stored["stream"].tobytes())
        missing = np.unpackbits(stored["missing"], count=values.size).astype(bool)
        values[missing.reshape(values.shape)] = stored["holes"]
    return values


def _load(field: str) -> Array:
    values = np.load(field, allow_pickle=False)
    if values.dtype.kind != "f" or values.dtype.itemsize not in (4, 8):
        raise ValueError(f"{field} holds {values.dtype}, but must hold float32 or float64")
    if not 1 <= values.ndim <= 4 or values.size == 0:
        raise ValueError(f"{field} has shape {values.shape}, but must have 1 to 4 dimensions")
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))


def _missing(values: Array, fill_value: float | None) -> npt.NDArray[np.bool_]:
    missing = ~np.isfinite(values)
    if fill_value is not None:
        missing |= values == values.dtype.type(fill_value)
    return missing


def _filled(values: Array, missing: npt.NDArray[np.bool_]) -> Array:
    if not missing.any():
        return values
    valid = values[~missing]
    mean = valid.mean(dtype=np.float64) if valid.size else 0.0
    return np.where(missing, values.dtype.type(mean), values)


def _largest_error(values: Array, decoded: Array, missing: npt.NDArray[np.bool_]) -> float:
    valid = ~missing
    difference = values[valid].astype(np.float64) - decoded[valid].astype(np.float64)
    return float(np.abs(difference).max(initial=0.0))


def _write(target: Path, **arrays: Array) -> None:
    """Write beside the target, sync, rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
