"""Code that all emulated commands share: requests to the daemon, and errors in Slurm's form."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Any

from hpckit.emulator import paths, protocol

VERSION = "slurm-wlm 22.05.8"  # the version whose behaviour is emulated
_TIMEOUT_S = 3.0  # how long a command waits for a controller that is down


class ControllerError(Exception):
    """The controller refused, or cannot be reached.

    Attributes:
        code: a key of `core.refusal.TEXT`, or ``unreachable``.
        text: Slurm's message.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def connect(state_dir: str) -> socket.socket:
    """Return a connection to the daemon; start it if it was killed, wait if it is down.

    Raises:
        ControllerError: no daemon answers.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    started = False
    while True:
        try:
            return protocol.connect(paths.socket_path(state_dir))
        except OSError:
            from hpckit.emulator import launch

            down = os.path.exists(f"{state_dir}/down")  # noqa: PTH110
            if down or time.monotonic() > deadline:
                break
            if not (started or launch.locked(state_dir) or launch.inside_a_job()):
                started = True
                launch.start(state_dir)
                continue
            time.sleep(0.05)
    raise ControllerError("unreachable", "Unable to contact slurm controller (connect failure)")


def ask(state_dir: str, message: dict[str, Any]) -> dict[str, Any]:
    """Send one request and return the reply.

    Raises:
        ControllerError: it was refused, or nobody answers.
    """
    sock = connect(state_dir)
    protocol.send(sock, message)
    try:
        reply = protocol.receive(sock, protocol.Inbox())
    except protocol.Closed:
        raise ControllerError("unreachable", "Zero Bytes were transmitted or received") from None
    finally:
        sock.close()
    return checked(state_dir, reply)


def same_version(state_dir: str, reply: dict[str, Any]) -> None:
    """Refuse a reply of a daemon of another version, before any key in it is missed.

    Raises:
        ControllerError: it is of another version.
    """
    try:
        protocol.check_version(reply, state_dir.rpartition("/")[2])
    except protocol.VersionMismatch as error:
        raise ControllerError("version", f"{error.text}. {error.hint}") from None


def checked(state_dir: str, reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply that is no error.

    Raises:
        ControllerError: it is one, or comes from other code.
    """
    same_version(state_dir, reply)
    if "error" in reply:
        raise ControllerError(reply["error"], reply["text"])
    return reply


def complain(command: str, text: str) -> None:
    """Write one line to stderr, as Slurm's commands do."""
    sys.stderr.write(f"{command}: {text}\n")


def submitter() -> dict[str, Any]:
    """Return the submitting user, host, directory and environment."""
    import pwd

    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    umask = os.umask(0)
    os.umask(umask)
    return {
        "uid": uid, "gid": os.getgid(), "user": user, "host": socket.gethostname(),
        "cwd": _cwd(), "env": dict(os.environ), "umask": umask,
    }  # fmt: skip


def _cwd() -> str:
    """Return the directory as the shell names it (``$PWD``), if it is the current one."""
    named = os.environ.get("PWD", "")
    try:
        if named.startswith("/") and os.path.samefile(named, "."):  # noqa: PTH121
            return named
    except OSError:
        pass
    return os.getcwd()  # noqa: PTH109
