"""The temporary names of outputs that appear whole or not at all (``atomic_outputs = true``).

Workers write to them, and the last head of a run removes what killed workers have left.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path


def temporary_prefix(run: str) -> str:
    """Return how the temporary names of a run's outputs begin."""
    return f".hpckit-{hashlib.blake2b(run.encode(), digest_size=4).hexdigest()}-"


def remove_temporary_outputs(run: str, directories: set[str]) -> None:
    """Remove what workers that were killed have left of a run's outputs."""
    prefix = temporary_prefix(run)
    for directory in directories:
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):  # noqa: PTH208 - the fastest
                if name.startswith(prefix):
                    remove_output(os.path.join(directory, name))  # noqa: PTH118


def remove_output(name: str) -> None:
    """Remove an output, be it a file or a directory; what is not there is no error."""
    path = Path(name)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
