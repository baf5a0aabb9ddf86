"""The mask section of `compress_task` files: where values are missing, and their bits.

`docs/reference/compressed-format.md` describes it; `hpckit.zfp.container` reads and writes the rest
of the file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hpckit.errors import StorageError

Array = npt.NDArray[Any]

CHUNK = 65536
MAX_PATTERNS = 65535


class DamagedFileError(StorageError):
    """A compressed file is foreign, truncated, padded or damaged."""


def bits_of(values: Array) -> Array:
    """The same memory as unsigned integers."""
    return values.view(f"u{values.dtype.itemsize}")


def _varints(values: Array) -> bytes:
    """LEB128 of numbers under 2**21."""
    parts = (values[:, None] >> np.array([0, 7, 14])) & 0x7F
    length = 1 + (values >= 1 << 7) + (values >= 1 << 14)
    used = np.arange(3) < length[:, None]
    more = np.arange(1, 4) < length[:, None]
    coded = (parts | np.where(more, 0x80, 0)).astype(np.uint8)
    content: bytes = coded[used].tobytes()
    return content


def encode_mask(values: Array, holes: Array) -> tuple[int, bytes]:
    """Return the number of patterns and the mask section for `values` in storage order.

    The section is empty without holes, and as long as the array where the format cannot list
    all patterns: such an array has to be stored raw.
    """
    if not holes.any():
        return 0, b""
    patterns, inverse = np.unique(bits_of(values)[holes], return_inverse=True)
    if patterns.size > MAX_PATTERNS:
        return 0, bytes(values.nbytes)
    keys = np.zeros(values.size, np.int64)
    keys[holes] = inverse + 1  # 0 is valid
    chunks = [_encode_chunk(keys[at : at + CHUNK]) for at in range(0, keys.size, CHUNK)]
    return patterns.size, b"".join(chunks) + patterns.astype("<u8").tobytes()


def _encode_chunk(keys: Array) -> bytes:
    """One chunk; `keys` is 0 for valid values, else 1 + the index of the pattern."""
    if not keys.any():
        return b"\x00"
    if (keys == keys[0]).all():
        return b"\x01" + _varints(keys[:1] - 1)
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    ends = np.append(begins[1:], keys.size)
    of_holes = keys[begins] > 0
    begins, ends = begins[of_holes], ends[of_holes]
    gaps = begins - np.append(0, ends[:-1])
    triples = np.stack([gaps, ends - begins, keys[begins] - 1], axis=1)
    runs = b"\x02" + _varints(np.array([begins.size])) + _varints(triples.reshape(-1))
    bitmap: bytes = np.packbits(keys > 0, bitorder="little").tobytes()
    found = keys[keys > 0] - 1
    if (found == found[0]).all():
        alternative = b"\x03" + _varints(found[:1]) + bitmap
    else:
        alternative = b"\x04" + bitmap + found.astype("<u2").tobytes()
    return runs if len(runs) <= len(alternative) else alternative


class _MaskReader:
    """Walks through the chunks of a mask section."""

    def __init__(self, section: bytes, pattern_count: int) -> None:
        table = 8 * pattern_count
        if not 0 < pattern_count <= MAX_PATTERNS or table > len(section):
            raise DamagedFileError("the mask's table of patterns does not fit")
        self._chunks = np.frombuffer(section, np.uint8, count=len(section) - table)
        self._patterns = np.frombuffer(section, "<u8", offset=len(section) - table)
        self._at = 0

    def _take(self, count: int) -> Array:
        if count > self._chunks.size - self._at:
            raise DamagedFileError("the mask ends too early")
        self._at += count
        return self._chunks[self._at - count : self._at]

    def _varints(self, count: int) -> Array:
        """The next `count` numbers."""
        window = self._chunks[self._at : self._at + 4 * count]
        ends = np.flatnonzero(window < 0x80)[:count] + 1
        if ends.size < count:
            raise DamagedFileError("the mask holds a number that does not end")
        begins = np.append(0, ends[:-1])[:count]
        used = self._take(int(ends[-1]) if count else 0).astype(np.int64)
        if (ends - begins > 4).any():
            raise DamagedFileError("the mask holds a number that is too long")
        shift = 7 * (np.arange(used.size) - np.repeat(begins, ends - begins))
        parts = (used & 0x7F) << shift
        return np.add.reduceat(parts, begins) if count else np.zeros(0, np.int64)

    def chunk(self, size: int) -> tuple[Array, Array]:
        """Positions of the holes in the next chunk, and the index of the pattern of each."""
        kind = int(self._take(1)[0])
        if kind == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        if kind == 1:
            return np.arange(size), np.full(size, self._varints(1)[0])
        if kind == 2:
            return self._runs(size)
        if kind not in (3, 4):
            raise DamagedFileError(f"the mask holds a chunk of unknown kind {kind}")
        pattern = self._varints(1)[0] if kind == 3 else 0
        bits = np.unpackbits(self._take(-(-size // 8)), bitorder="little")
        positions = np.flatnonzero(bits)
        if positions.size and positions[-1] >= size:
            raise DamagedFileError("the mask has bits beyond its end")
        if kind == 3:
            return positions, np.full(positions.size, pattern)
        return positions, self._take(2 * positions.size).view("<u2").astype(np.int64)

    def _runs(self, size: int) -> tuple[Array, Array]:
        count = int(self._varints(1)[0])
        if count > size:
            raise DamagedFileError("the mask has more runs than values")
        gaps, lengths, patterns = self._varints(3 * count).reshape(count, 3).T
        ends = np.cumsum(gaps + lengths)
        if count and (ends[-1] > size or (lengths == 0).any()):
            raise DamagedFileError("a run of the mask does not fit its chunk")
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.repeat(ends - lengths, lengths) + within, np.repeat(patterns, lengths)

    def patterns(self, indices: Array) -> Array:
        """The bits for each index."""
        if indices.size and int(indices.max()) >= self._patterns.size:
            raise DamagedFileError("the mask names a pattern that is not in its table")
        return self._patterns[indices]

    def finish(self) -> None:
        if self._at != self._chunks.size:
            raise DamagedFileError("bytes follow the last chunk of the mask")


def restore_holes(values: Array, section: bytes, *, pattern_count: int, missing: int) -> None:
    """Put the bits of every hole back into `values` (in storage order, native bytes), in place.

    Raises:
        DamagedFileError: the section is not well-formed, or holds other than `missing` holes.
    """
    reader = _MaskReader(section, pattern_count)
    bits = bits_of(values)
    found = 0
    for begin in range(0, values.size, CHUNK):
        part = bits[begin : begin + CHUNK]
        positions, indices = reader.chunk(part.size)
        part[positions] = reader.patterns(indices).astype(part.dtype)
        found += positions.size
    reader.finish()
    if found != missing:
        raise DamagedFileError(f"the mask holds {found} holes where {missing} are needed")
