"""A worker's private directory on its node: sockets, the engine's files, scratch of tasks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from hpckit.errors import StorageError

PREFIX: Final = "hpckit-node-"
#: What `tempfile.mkdtemp` makes of it. Nothing else is ever swept: whoever uses hpckit may
#: well have directories in /tmp whose names begin with hpckit.
_OURS: Final = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")
#: Younger ones may be in the making: there, empty, and not locked yet.
_YOUNG_S: Final = 5.0


def remove_tree(path: str | Path) -> None:
    """Remove a directory with all that is in it, be it read-only; what cannot go is left.

    A directory that its owner may not change is opened up to him, and it is tried again.
    Outside of `path` no mode is changed. Nothing is raised.
    """
    root = str(Path(path))
    opened: set[str] = set()

    def open_up(_: Any, failed: str, __: Any) -> None:
        for directory in (os.path.dirname(failed), failed):  # noqa: PTH120 - in this order
            if f"{directory}/".startswith(f"{root}/") and directory not in opened:
                with contextlib.suppress(OSError):
                    if _give_owner_all(directory):
                        opened.add(directory)

    before = -1
    while before < len(opened):  # each round may have found closed ones below those of the last
        before = len(opened)
        with contextlib.suppress(RecursionError):  # nested deeper than Python goes
            shutil.rmtree(root, onerror=open_up)


def _give_owner_all(directory: str) -> bool:
    """Return whether this is a directory of which the owner may now do what he might not."""
    mode = os.lstat(directory).st_mode
    if not stat.S_ISDIR(mode) or mode & stat.S_IRWXU == stat.S_IRWXU:
        return False
    os.chmod(directory, stat.S_IMODE(mode) | stat.S_IRWXU)  # noqa: PTH101
    return True


class ScratchDir:
    """A directory of mode 0700 with a short path, locked as long as its owner lives.

    Raises:
        StorageError: it cannot be made.
    """

    def __init__(self, parent: str) -> None:
        sweep(parent)
        try:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"cannot make a directory in {parent} on this node: {error.strerror}",
                hint="Set the site's node_tmp to a directory that every node has.",
            ) from error

    def make(self, name: str) -> Path:
        """Make and return a directory in it."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def remove(self) -> None:
        """Remove it with all that is in it, and what others have left; idempotent."""
        remove_tree(self.path)
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)
        sweep(str(self.path.parent))


def sweep(parent: str) -> None:
    """Remove what this user's workers left in `parent` that were ended without a chance."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(parent)):
            if _OURS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                _remove_if_left(entry)


def _remove_if_left(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        young = time.time() - status.st_mtime < _YOUNG_S
        if status.st_uid != os.getuid() or (young and not os.listdir(entry.path)):  # noqa: PTH208
            return
        handle = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(entry.path)
        finally:
            os.close(handle)
