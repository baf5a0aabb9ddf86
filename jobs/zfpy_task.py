"""Compress one field with zfp, from Python: the function that sea_ice_zfpy.toml runs.

What comes out is the same file that the C++ task writes
(`docs/reference/compressed-format.md`): missing cells
come back bit for bit, and the bound is checked before the file is kept. `hpckit.zfp.read`
and `compress_task decompress` both read it.
"""

from __future__ import annotations

from typing import Any

from hpckit import zfp


def compress(
    field: str, out: str, tolerance: float, fill_value: float | None = None
) -> dict[str, Any]:
    """Compress the array of a .npy file so that no valid cell changes by more than `tolerance`.

    Args:
        field: a .npy file of float32 or float64, 1 to 4 dimensions.
        out: the file to write; it appears whole or not at all.
        tolerance: largest absolute error, in the unit of the field.
        fill_value: a number that stands for missing data, as NaN and infinities always do.

    Returns:
        The report that compress_task prints: ratio, bytes, largest error, …

    Raises:
        hpckit.errors.HpckitError: no such array or tolerance can be compressed, or the bound
            does not hold.
    """
    fill_values = () if fill_value is None else (fill_value,)
    return zfp.compress_file(field, out, tolerance, fill_values)
