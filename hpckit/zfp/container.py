"""Read and write the files of `native/compress_task` with zfpy: the second implementation.

The format is described in `docs/reference/compressed-format.md`, and this module was written from
it. It needs the extra `zfp` (numpy, zfpy, xxhash). The reader takes every file that `compress_task`
writes; the writer covers tolerance and mask.
"""

from __future__ import annotations

import math
import os
import resource
import struct
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
import zfpy

from hpckit.errors import HpckitError, InputError
from hpckit.zfp.mask import Array, DamagedFileError, bits_of, encode_mask, restore_holes

MAGIC = b"\x89HPCZ\r\n\x1a"
HEADER = struct.Struct("<8sHH4B4Q4BI4Q7d6QI52xQ")
RESERVED = slice(196, 248)
LOSSY, REVERSIBLE, RAW = 1, 2, 3
MODE_TOLERANCE = 1
ZFPY_WORD_BITS = 64
# zfp may look a word beyond the end of its stream.
READ_AHEAD = bytes(64)


class BoundViolatedError(HpckitError):
    """The error bound that was asked for does not hold."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header's fields, in the order of `docs/reference/compressed-format.md`."""

    dtype: np.dtype[Any]
    fortran_order: bool
    shape: tuple[int, ...]
    stored: int
    mode: int = MODE_TOLERANCE
    verified: bool = True
    word_bits: int = ZFPY_WORD_BITS
    coded_shape: tuple[int, ...] = ()  # fastest-varying first
    tolerance_requested: float = 0.0
    relative_requested: float = 0.0
    tolerance_effective: float = 0.0
    max_abs_error: float = 0.0
    rmse: float = 0.0
    valid_min: float = 0.0
    valid_max: float = 0.0
    missing: int = 0
    mask_bytes: int = 0
    payload_bytes: int = 0
    mask_hash: int = 0
    payload_hash: int = 0
    original_hash: int = 0
    pattern_count: int = 0

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def payload_offset(self) -> int:
        """Where the payload begins: the first multiple of 64 after the mask."""
        return -(-(HEADER.size + self.mask_bytes) // 64) * 64


def read_header(content: bytes) -> Header:
    """Parse and check the first 256 bytes of a compressed file.

    Raises:
        DamagedFileError: they are not a header of version 1, or are damaged.
    """
    if len(content) < HEADER.size or not content.startswith(MAGIC):
        raise DamagedFileError(
            f"{len(content)} bytes that do not begin with the magic and header of compress_task",
            hint="give a file that `compress_task compress` wrote",
        )
    f = HEADER.unpack_from(content)
    if f[-1] != _hash(content[: HEADER.size - 8]):
        raise DamagedFileError("the header's checksum does not match", hint="copy the file again")
    dtype_code, big_endian, fortran, ndim = f[3:7]
    stored, mode, coded_ndim, verified, word_bits = f[11:16]
    plausible = (
        f[1:3] == (1, HEADER.size)
        and dtype_code in (1, 2)
        and max(big_endian, fortran, verified) <= 1
        and 1 <= ndim <= 4
        and 1 <= stored <= 3
        and coded_ndim <= 4
        and not any(content[RESERVED])
    )
    if not plausible:
        raise DamagedFileError(
            "the header is not one of format version 1",
            hint="see docs/reference/compressed-format.md",
        )
    names = list(Header.__dataclass_fields__)
    numbers = dict(zip(names[names.index("tolerance_requested") :], f[20:34], strict=True))
    return Header(
        dtype=np.dtype(f"{'>' if big_endian else '<'}f{4 * dtype_code}"),
        fortran_order=bool(fortran),
        shape=tuple(f[7 : 7 + ndim]),
        stored=stored,
        mode=mode,
        verified=bool(verified),
        word_bits=word_bits,
        coded_shape=tuple(f[16 : 16 + coded_ndim]),
        **numbers,
    )


def read(path: str | os.PathLike[str]) -> Array:
    """Return the array of a compressed file: its type, byte order, memory order and holes.

    Raises:
        DamagedFileError: any checksum or length does not hold.
        OSError: the file cannot be read.
    """
    content = Path(path).read_bytes()
    header = read_header(content)
    if len(content) != header.payload_offset + header.payload_bytes:
        raise DamagedFileError(
            f"{path} has {len(content)} bytes where "
            f"{header.payload_offset + header.payload_bytes} are needed",
            hint="it is truncated or padded: copy it again",
        )
    mask = content[HEADER.size : HEADER.size + header.mask_bytes]
    payload = content[header.payload_offset :]
    if _hash(mask) != header.mask_hash or _hash(payload) != header.payload_hash:
        raise DamagedFileError(f"{path}: a checksum does not match", hint="copy the file again")
    if header.stored == RAW:
        values = np.frombuffer(payload, header.dtype).copy()
    else:
        values = _decode(payload, header)
        if header.missing:
            restore_holes(values, mask, pattern_count=header.pattern_count, missing=header.missing)
        values = values.astype(header.dtype, copy=False)
    if values.size != header.size:
        raise DamagedFileError(f"{path}: {values.size} values where {header.size} are needed")
    if header.stored != LOSSY and _hash(values.tobytes()) != header.original_hash:
        raise DamagedFileError(f"{path}: what was stored losslessly comes back different")
    return values.reshape(header.shape, order="F" if header.fortran_order else "C")


def write(
    path: str | os.PathLike[str],
    array: Array,
    *,
    tolerance: float,
    fill_values: Iterable[float] = (),
) -> Header:
    """Compress `array` so that every valid value is off by at most `tolerance`.

    NaN, infinities and `fill_values` are kept bit for bit. The file appears complete or not
    at all.

    Returns:
        What was written.

    Raises:
        InputError: the array's type or shape, or the tolerance, cannot be handled.
        BoundViolatedError: the bound does not hold; nothing was written.
    """
    _check_input(array, tolerance)
    fortran = bool(array.flags.f_contiguous and not array.flags.c_contiguous)
    storage = array.reshape(-1, order="F" if fortran else "C")
    native = storage.astype(storage.dtype.newbyteorder("="))
    holes = _find_holes(native, fill_values)
    header = Header(
        dtype=storage.dtype,
        fortran_order=fortran,
        shape=array.shape,
        stored=LOSSY,
        coded_shape=_coded_shape(array.shape, fortran_order=fortran),
        tolerance_requested=tolerance,
        tolerance_effective=float(2.0 ** (np.frexp(tolerance)[1] - 1)),
        original_hash=_hash(storage.tobytes()),
    )
    header, mask, payload = _pack_parts(header, storage, native, holes)
    padding = bytes(header.payload_offset - HEADER.size - len(mask))
    _write_atomically(Path(path), _pack(header) + mask + padding + payload)
    return header


def compress_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    tolerance: float,
    fill_values: Iterable[float] = (),
) -> dict[str, Any]:
    """Compress a .npy file as `compress_task compress` does, where nothing can be compiled.

    Returns:
        The report of `compress_task` (schema ``compress_task.report/1``); null where this
        implementation has nothing to say.

    Raises:
        InputError, BoundViolatedError: see `write`.
    """
    begin = time.perf_counter()
    array = np.load(source, allow_pickle=False)
    loaded = time.perf_counter()
    header = write(target, array, tolerance=tolerance, fill_values=fill_values)
    bytes_in, bytes_out = Path(source).stat().st_size, Path(target).stat().st_size
    span = header.valid_max - header.valid_min
    exact = header.rmse == 0.0 or span == 0.0
    return {
        "schema": "compress_task.report/1",
        "command": "compress",
        "dtype": header.dtype.name,
        "shape": list(header.shape),
        "ratio": bytes_in / bytes_out,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "max_abs_error": header.max_abs_error,
        "rmse": header.rmse,
        "psnr_db": None if exact else 20.0 * math.log10(span / header.rmse),
        "mode": "tolerance",
        "tolerance_requested": header.tolerance_requested,
        "tolerance_effective": header.tolerance_effective,
        "bound_ok": True,  # else `write` has raised
        "missing": header.missing,
        "xxh3_original": f"{header.original_hash:016x}",
        "xxh3_payload": f"{header.payload_hash:016x}",
        "seconds": {"read": loaded - begin, "compress": time.perf_counter() - loaded},
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "zfp_version": version("zfpy"),
        "stream_word_bits": header.word_bits,
        "stored": {LOSSY: "lossy", RAW: "raw"}[header.stored],
    }


def _with(header: Header, **changes: Any) -> Header:
    return Header(**{**header.__dict__, **changes})


def _hash(content: bytes) -> int:
    return int(xxhash.xxh3_64_intdigest(content))


def _check_input(array: Array, tolerance: float) -> None:
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise InputError(f"an array of {array.dtype}; float32 or float64 is needed")
    if not 1 <= array.ndim <= 4:
        raise InputError(f"an array of {array.ndim} dimensions; 1 to 4 are needed")
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise InputError(f"tolerance {tolerance}; a positive number is needed")


def _coded_shape(shape: tuple[int, ...], *, fortran_order: bool) -> tuple[int, ...]:
    """The lengths zfp sees, the fastest-varying first: ones dropped, merged where too long."""
    lengths = [n for n in (shape if fortran_order else shape[::-1]) if n != 1] or [1]
    while len(lengths) > 1 and max(lengths) > 1 << (48 // len(lengths)):
        lengths[-2:] = [lengths[-2] * lengths[-1]]
    return tuple(lengths)


def _decode(payload: bytes, header: Header) -> Array:
    """The values in storage order and native byte order, holes still filled."""
    stream = payload + READ_AHEAD
    try:
        own = zfpy.header(stream)
        lengths = [own[name] for name in ("nx", "ny", "nz", "nw") if own[name]]
        if own["type"] is not header.dtype.type or tuple(lengths) != header.coded_shape:
            raise DamagedFileError("the zfp stream's own header does not agree with the file's")
        if header.coded_shape != _coded_shape(header.shape, fortran_order=header.fortran_order):
            raise DamagedFileError("the coded shape does not follow from the shape")
        decoded: Array = zfpy.decompress_numpy(stream)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"zfp cannot read the stream: {error}") from error
    return decoded.reshape(-1)


def _find_holes(values: Array, fill_values: Iterable[float]) -> Array:
    holes: Array = ~np.isfinite(values)
    for fill in fill_values:
        sentinel = values.dtype.type(fill)
        both = [sentinel, -sentinel] if sentinel == 0 else [sentinel]
        holes |= np.isin(bits_of(values), bits_of(np.array(both, values.dtype)))
    return holes


def _compress(native: Array, holes: Array, header: Header) -> tuple[bytes, Array]:
    """The zfp stream and the absolute errors of the valid values; refuses a broken bound."""
    lengths = header.coded_shape[::-1]
    filled = _fill_holes(native.reshape(lengths), holes.reshape(lengths))
    stream: bytes = zfpy.compress_numpy(filled, tolerance=header.tolerance_requested)
    decoded = zfpy.decompress_numpy(stream + READ_AHEAD).reshape(-1)
    with np.errstate(over="ignore"):
        difference = native[~holes].astype(np.float64) - decoded[~holes].astype(np.float64)
    errors: Array = np.abs(difference)
    out = int(np.count_nonzero(~(errors <= header.tolerance_requested)))
    if out:
        raise BoundViolatedError(
            f"bound violated: {out} of {errors.size} valid values are out, the worst by "
            f"{errors.max()} where {header.tolerance_requested} is allowed; the largest magnitude "
            f"is {np.abs(native[~holes]).max()!s}",
            hint="if that is missing data, name it in fill_values; else use a larger tolerance",
        )
    return stream, errors


def _pack_parts(
    header: Header, storage: Array, native: Array, holes: Array
) -> tuple[Header, bytes, bytes]:
    """Mask and payload, raw where compressing would not make them smaller, and their header."""
    patterns, mask = encode_mask(native, holes)
    payload, errors = _compress(native, holes, header) if native.size else (b"", np.zeros(0))
    if len(mask) + len(payload) >= storage.nbytes:
        header = _with(header, stored=RAW, coded_shape=(), tolerance_effective=0.0)
        patterns, mask, payload, errors = 0, b"", storage.tobytes(), np.zeros(0)
    valid = native[~holes].astype(np.float64)
    header = _with(
        header,
        max_abs_error=float(np.max(errors, initial=0.0)),
        rmse=_root_mean_square(errors),
        valid_min=float(np.min(valid)) if valid.size else 0.0,
        valid_max=float(np.max(valid)) if valid.size else 0.0,
        missing=int(holes.sum()) if mask else 0,
        mask_bytes=len(mask),
        payload_bytes=len(payload),
        mask_hash=_hash(mask),
        payload_hash=_hash(payload),
        pattern_count=patterns,
    )
    return header, mask, payload


def _root_mean_square(errors: Array) -> float:
    largest = float(np.max(errors, initial=0.0))
    # Squared as parts of the largest one, so that nothing overflows.
    return largest * float(np.sqrt(np.mean((errors / largest) ** 2))) if largest > 0 else 0.0


def _fill_holes(values: Array, holes: Array) -> Array:
    """Give every hole the mean of the valid values of its block of 4 along each axis."""
    if not holes.any():
        return values
    pad = [(0, -n % 4) for n in values.shape]
    blocked = [m for n in values.shape for m in (-(-n // 4), 4)]
    inner = tuple(range(1, 2 * values.ndim, 2))
    valid = np.pad(~holes, pad).reshape(blocked)
    # Divided before they are added: sums of huge values must not overflow.
    share = 1.0 / np.maximum(valid.sum(axis=inner, keepdims=True), 1)
    cells = np.pad(np.where(holes, 0, values).astype(np.float64), pad).reshape(blocked)
    means = np.broadcast_to((cells * share).sum(axis=inner, keepdims=True), cells.shape)
    padded = means.reshape([n + p for n, (_, p) in zip(values.shape, pad, strict=True)])
    inside = tuple(slice(n) for n in values.shape)
    most = np.finfo(values.dtype).max
    filler = np.clip(padded[inside], -float(most), float(most)).astype(values.dtype)
    return np.where(holes, filler, values)


def _pack(header: Header) -> bytes:
    four = (0, 0, 0, 0)
    content = HEADER.pack(
        MAGIC,
        1,
        HEADER.size,
        header.dtype.itemsize // 4,
        header.dtype.newbyteorder("=") != header.dtype,
        header.fortran_order,
        len(header.shape),
        *(header.shape + four)[:4],
        header.stored,
        header.mode,
        len(header.coded_shape),
        header.verified,
        header.word_bits,
        *(header.coded_shape + four)[:4],
        *list(header.__dict__.values())[8:],
        0,
    )
    return content[:-8] + struct.pack("<Q", _hash(content[:-8]))


def _write_atomically(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(
        prefix=f".{path.name[:200]}.", suffix=".tmp", dir=path.parent
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
