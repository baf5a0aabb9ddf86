#!/usr/bin/env python3
"""Convert Met Office PP files and netCDF variables to .npy, values untouched.

Type, byte order and fill values stay as the file has them: nothing is masked, scaled or
swapped. What the file declares as missing is named on stdout, so that it can be given to
`compress_task compress --fill-value`.

    python jobs/convert.py ice.pp t.nc --output-dir data
"""

from __future__ import annotations

import argparse
import io
import json
import os
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PP_HEADER_BYTES = 256
PP_INTEGERS = 45  # then 19 reals; UM documentation paper F03


class ConversionError(Exception):
    """A file that cannot be converted; the message says what was found and needed."""


@dataclass(frozen=True)
class Field:
    """One array, and the value that stands for missing data in it, if the file declares one."""

    name: str
    values: npt.NDArray[Any]
    fill_value: float | None


def fortran_records(path: Path) -> Iterator[bytes]:
    """Yield the big-endian Fortran unformatted records of a file.

    Raises:
        ConversionError: the record lengths do not add up.
    """
    data = path.read_bytes()
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise ConversionError(f"{path} ends within a record; a whole PP file is needed")
        (length,) = struct.unpack_from(">i", data, at)
        end = at + 4 + length
        if length < 0 or data[end : end + 4] != data[at : at + 4]:
            raise ConversionError(
                f"{path} is not made of big-endian Fortran records (at byte {at}); "
                "a 32-bit PP file is needed"
            )
        yield data[at + 4 : end]
        at = end + 4


def read_pp(path: Path) -> list[Field]:
    """Read all fields of a PP file as big-endian float32 of rows x columns.

    Raises:
        ConversionError: it is damaged, or a field is packed or not real.
    """
    fields = []
    records = fortran_records(path)
    for header in records:
        if len(header) != PP_HEADER_BYTES:
            raise ConversionError(f"{path}: a header of {len(header)} bytes; needed are 256")
        integers = struct.unpack_from(f">{PP_INTEGERS}i", header)
        reals = struct.unpack_from(">19f", header, 4 * PP_INTEGERS)
        rows, columns, packing, data_type = integers[17], integers[18], integers[20], integers[38]
        if packing != 0 or data_type != 1:
            raise ConversionError(
                f"{path}: LBPACK {packing}, LBUSER(1) {data_type}; needed are unpacked (0) "
                "real (1) values: unpack it first"
            )
        record = next(records, b"")
        count = rows * columns  # extra data (LBEXT words) may follow
        if len(record) < 4 * count:
            raise ConversionError(f"{path}: {len(record)} bytes of data; {4 * count} are needed")
        values = np.frombuffer(record, dtype=">f4", count=count).reshape(rows, columns)
        fields.append(Field(path.stem, values, float(reals[17])))
    if len(fields) > 1:
        return [Field(f"{f.name}.{i:04d}", f.values, f.fill_value) for i, f in enumerate(fields)]
    return fields


def read_netcdf(path: Path, variables: Sequence[str] = ()) -> list[Field]:
    """Read floating-point variables of a netCDF file as they are stored.

    Without `variables`: all of two dimensions or more that are not bounds of others.

    Raises:
        ConversionError: a variable is missing or not floating point.
    """
    import netCDF4  # slow to import, and not needed for PP

    fields = []
    with netCDF4.Dataset(path) as dataset:
        dataset.set_auto_maskandscale(False)
        wanted = list(variables) or [
            name
            for name, v in dataset.variables.items()
            if v.ndim >= 2 and v.dtype.kind == "f" and not name.endswith(("_bnds", "_bounds"))
        ]
        for name in wanted:
            if name not in dataset.variables:
                raise ConversionError(
                    f"{path} has no variable {name!r}; it has {', '.join(dataset.variables)}"
                )
            variable = dataset.variables[name]
            if variable.dtype.kind != "f":
                raise ConversionError(
                    f"{path}: {name} is {variable.dtype}; float32 or float64 is needed"
                )
            fill = getattr(variable, "_FillValue", getattr(variable, "missing_value", None))
            values = np.asarray(variable[...])
            fields.append(
                Field(f"{path.stem}.{name}", values, None if fill is None else float(fill))
            )
    return fields


def read_any(path: Path, variables: Sequence[str] = ()) -> list[Field]:
    """Read a file by its suffix: `.pp`, else netCDF."""
    return read_pp(path) if path.suffix == ".pp" else read_netcdf(path, variables)


def write_npy(values: npt.NDArray[Any], target: Path) -> bool:
    """Write an array so that the file is complete or absent; True unless it was there already."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    content = buffer.getvalue()
    if target.exists() and target.read_bytes() == content:
        return False
    handle, temporary = tempfile.mkstemp(
        prefix=f".{target.name}.", suffix=".tmp", dir=target.parent
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True


def convert(field: Field, directory: Path) -> dict[str, object]:
    """Write one field into `directory`; return what there is to know about it."""
    target = directory / f"{field.name}.npy"
    written = write_npy(field.values, target)
    missing = 0 if field.fill_value is None else int((field.values == field.fill_value).sum())
    return {
        "file": str(target),
        "shape": list(field.values.shape),
        "dtype": field.values.dtype.str,
        "fill_value": field.fill_value,
        "missing": missing,
        "written": written,
    }


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog="Prints one line of JSON per file written: file, shape, dtype, fill_value, missing.",
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="FILE", help=".pp or netCDF")
    parser.add_argument("-o", "--output-dir", type=Path, default=Path(), help="default: here")
    parser.add_argument(
        "--variable", action="append", default=[], help="netCDF variable (repeatable)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert the files named on the command line; 0 if all went well, else 2."""
    options = parse_arguments(arguments)
    try:
        options.output_dir.mkdir(parents=True, exist_ok=True)
        for path in options.inputs:
            for field in read_any(path, options.variable):
                sys.stdout.write(json.dumps(convert(field, options.output_dir)) + "\n")
    except (ConversionError, OSError) as error:
        sys.stderr.write(f"convert: error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
