"""The temporary names of outputs with ``atomic_outputs = true``.

Tasks write to them. The last head of a run removes those that killed workers have left.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path


def temporary_prefix(run: str) -> str:
    """Return the prefix of the temporary names of a run's outputs."""
    return f".hpckit-{hashlib.blake2b(run.encode(), digest_size=4).hexdigest()}-"


def remove_temporary_outputs(run: str, directories: set[str]) -> None:
    """Remove the temporary outputs of a run that killed workers have left."""
    prefix = temporary_prefix(run)
    for directory in directories:
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):  # noqa: PTH208 - the fastest
                if name.startswith(prefix):
                    remove_output(os.path.join(directory, name))  # noqa: PTH118


def remove_output(name: str) -> None:
    """Remove an output, a file or a directory, if it exists."""
    path = Path(name)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
