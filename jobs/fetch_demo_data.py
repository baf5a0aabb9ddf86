#!/usr/bin/env python3
"""Write the demo's input: real climate fields from the PyPI package iris-sample-data.

Into the data directory go
- 120 sea-ice forecasts, `northward_sea_ice_velocity.*.npy`: big-endian float32, 215 x 360.
  Their headers declare -1073741824 as missing, but no value is missing in any.
- `A1B_north_america.air_temperature.npy`: little-endian float32, 240 months x 37 x 49,
  nothing missing.

Files that are there already are left alone; each new one appears complete.

    python jobs/fetch_demo_data.py data
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from convert import ConversionError, convert, read_netcdf, read_pp

SEA_ICE = "northward_sea_ice_velocity.*.pp"
SEA_ICE_FILES = 120
NORTH_AMERICA = "A1B_north_america.nc"


def sample_directory() -> Path:
    """Where iris-sample-data keeps its files.

    Raises:
        ConversionError: it is not installed.
    """
    try:
        import iris_sample_data  # its absence is an error worth explaining
    except ImportError:
        raise ConversionError(
            "the package iris-sample-data is not installed; "
            "run: pip install iris-sample-data==2.5.2"
        ) from None
    return Path(iris_sample_data.path)


def fetch(source: Path, directory: Path) -> tuple[int, int]:
    """Convert the demo's fields; return how many there are and how many were new.

    Raises:
        ConversionError: `source` lacks a file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sea_ice = sorted(source.rglob(SEA_ICE))
    north_america = source / NORTH_AMERICA
    if len(sea_ice) != SEA_ICE_FILES or not north_america.is_file():
        raise ConversionError(
            f"{source} has {len(sea_ice)} files {SEA_ICE}; {SEA_ICE_FILES} and {NORTH_AMERICA} "
            "are needed: install iris-sample-data 2.5.2 anew"
        )
    fields = [field for path in sea_ice for field in read_pp(path)]
    fields += read_netcdf(north_america)
    written = [bool(convert(field, directory)["written"]) for field in fields]
    return len(written), sum(written)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the data; 0 if all went well, else 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "directory", nargs="?", type=Path, default=Path("data"), help="default: data"
    )
    options = parser.parse_args(arguments)
    try:
        total, new = fetch(sample_directory(), options.directory)
    except (ConversionError, OSError) as error:
        sys.stderr.write(f"fetch_demo_data: error: {error}\n")
        return 2
    sys.stdout.write(f"{total} fields in {options.directory} ({new} new)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
