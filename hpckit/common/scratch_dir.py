"""A worker's private directory on its node, for sockets, engine files and tasks' scratch."""

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
#: The names that `tempfile.mkdtemp` makes. Nothing else is ever removed, because users may have
#: directories of their own in /tmp whose names begin with hpckit.
_OUR_NAME: Final = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")
#: A younger directory that is empty may belong to a worker that has not locked it yet.
_NEW_S: Final = 5.0


def remove_tree(path: str | Path) -> None:
    """Remove a directory and everything in it, also what is read-only. Never raise an error.

    If a directory in it is read-only, its owner gets write permission and it is tried again. No
    mode is changed outside of `path`. What cannot be removed is left.
    """
    root = str(Path(path))
    changed: set[str] = set()

    def make_writable(_: Any, failed: str, __: Any) -> None:
        for directory in (os.path.dirname(failed), failed):  # noqa: PTH120 - in this order
            if f"{directory}/".startswith(f"{root}/") and directory not in changed:
                with contextlib.suppress(OSError):
                    if _give_owner_all(directory):
                        changed.add(directory)

    before = -1
    while before < len(changed):  # each round may find read-only ones below those of the last
        before = len(changed)
        with contextlib.suppress(RecursionError):  # nested deeper than Python can recurse
            shutil.rmtree(root, onerror=make_writable)


def _give_owner_all(directory: str) -> bool:
    """Give a directory's owner all permissions; return True if that changed anything."""
    mode = os.lstat(directory).st_mode
    if not stat.S_ISDIR(mode) or mode & stat.S_IRWXU == stat.S_IRWXU:
        return False
    os.chmod(directory, stat.S_IMODE(mode) | stat.S_IRWXU)  # noqa: PTH101
    return True


class ScratchDir:
    """A directory of mode 0700 with a short path, locked while its worker runs.

    Raises:
        StorageError: it cannot be made.
    """

    def __init__(self, parent: str) -> None:
        remove_old_scratch_dirs(parent)
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
        """Remove it with all its contents, and those that killed workers left; idempotent."""
        remove_tree(self.path)
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)
        remove_old_scratch_dirs(str(self.path.parent))


def remove_old_scratch_dirs(parent: str) -> None:
    """Remove the directories in `parent` that this user's killed workers have left."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(parent)):
            if _OUR_NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                _remove_if_unlocked(entry)


def _remove_if_unlocked(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):
        status = entry.stat(follow_symlinks=False)
        is_new = time.time() - status.st_mtime < _NEW_S
        if status.st_uid != os.getuid() or (is_new and not os.listdir(entry.path)):  # noqa: PTH208
            return
        handle = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(entry.path)
        finally:
            os.close(handle)
