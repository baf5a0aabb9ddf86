"""The files of `native/compress_task`, read and written from Python.

It needs the extra `zfp` (numpy, zfpy, xxhash): ``from hpckit import zfp; zfp.read("a.zfp")``.
"""

from hpckit.zfp.container import (
    BoundViolatedError,
    Header,
    compress_file,
    read,
    read_header,
    write,
)
from hpckit.zfp.mask import DamagedFileError

__all__ = [
    "BoundViolatedError",
    "DamagedFileError",
    "Header",
    "compress_file",
    "read",
    "read_header",
    "write",
]
