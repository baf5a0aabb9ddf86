"""The paths of an emulated cluster's files.

``$HPCKIT_EMULATOR_DIR``, else ``${XDG_STATE_HOME:-~/.local/state}/hpckit/emulator``, with one
directory of mode 0700 per cluster.
"""

from __future__ import annotations

import os
import stat

from hpckit.errors import InputError, StorageError

_SUN_PATH = 107  # sockaddr_un holds 108 bytes, the last one a NUL
COMMANDS = ("sbatch", "srun", "squeue", "scancel", "sacct", "scontrol", "sinfo")


def root() -> str:
    """Return the directory that holds all clusters of this user."""
    given = os.environ.get("HPCKIT_EMULATOR_DIR")
    if given:
        return os.path.abspath(given)  # noqa: PTH100 - pathlib costs the clients 10 ms
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111
    return os.path.join(state, "hpckit", "emulator")  # noqa: PTH118


def state_dir(name: str) -> str:
    """Return the directory of one cluster.

    Raises:
        InputError: the name cannot name a directory, or begins with a dot or a dash.
    """
    if not name or name.startswith((".", "-")) or "/" in name or "\0" in name or len(name) > 40:
        raise InputError(
            f"cluster name {name!r} cannot be used",
            hint="Use letters, digits, '-' and '_', at most 40 of them.",
        )
    return os.path.join(root(), name)  # noqa: PTH118


def socket_path(directory: str) -> str:
    """Return the path of the daemon's socket."""
    return f"{directory}/slurmctld.sock"


def sun_path(path: str) -> tuple[str, int | None]:
    """Return an address that fits a Unix socket, and a directory descriptor to close, or None.

    A longer path goes through ``/proc/self/fd``, so that any state directory works.
    """
    if len(os.fsencode(path)) <= _SUN_PATH:
        return path, None
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    return f"/proc/self/fd/{descriptor}/{name}", descriptor


def make_private(directory: str) -> None:
    """Create a directory of mode 0700 that belongs to this user.

    Raises:
        StorageError: it cannot be created, or belongs to somebody else.
    """
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
    except OSError as error:
        raise StorageError(
            f"cannot create {directory}, the directory of the emulated clusters: {error.strerror}",
            hint="Set HPCKIT_EMULATOR_DIR to a directory that you can write.",
        ) from error
    about = os.stat(directory)  # noqa: PTH116
    if about.st_uid != os.geteuid():
        raise StorageError(
            f"{directory} belongs to uid {about.st_uid}, not to you (uid {os.geteuid()})",
            hint="Set HPCKIT_EMULATOR_DIR to a directory of your own.",
        )
    if stat.S_IMODE(about.st_mode) != 0o700:
        os.chmod(directory, 0o700)  # noqa: PTH101
