"""The virtual node that a step sees: its host name, and an /etc/hosts with all nodes.

As root, a UTS and a mount namespace are created directly; other users create them within a user
namespace that maps only their own uid and gid, so that files keep their owner. Where neither is
allowed, a directory of shims comes first on PATH (see docs/how-to/emulated-slurm.md).
Sources: unshare(2), user_namespaces(7), mount(2).
"""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER = 0x20000, 0x4000000, 0x10000000
MS_BIND, MS_REC, MS_SLAVE = 4096, 16384, 1 << 19
PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def become_subreaper(name: str) -> None:
    """Become the parent of all descendants that lose theirs; show `name` in process lists."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")
    _libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def enter(node: str, binds: dict[str, str]) -> None:
    """Become a virtual node: its name, and `binds` ({target: source}) mounted over files.

    Raises:
        OSError: namespaces are not allowed here.
    """
    if os.geteuid() != 0:
        _enter_user_namespace()
    _check(_libc.unshare(CLONE_NEWUTS | CLONE_NEWNS), "unshare")
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_SLAVE, None), "mount --make-rslave /")
    socket.sethostname(node)
    for target, source in binds.items():
        if Path(target).exists():
            result = _libc.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None)
            _check(result, f"mount --bind {source} {target}")


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def allowed() -> bool:
    """Return True if `enter` works here; tried in a child process."""
    pid = os.fork()
    if pid == 0:
        try:
            enter("probe", {})
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def write_hosts(target: Path, addresses: dict[str, str]) -> None:
    """Write an /etc/hosts: the machine's own, and the virtual nodes before it."""
    try:
        own = Path("/etc/hosts").read_text(errors="surrogateescape")
    except OSError:
        own = "127.0.0.1 localhost\n"
    lines = [f"{address} {name}" for name, address in addresses.items()]
    target.write_text("\n".join(lines) + "\n" + own, errors="surrogateescape")


def write_profile(target: Path, bin_dir: Path) -> None:
    """Write an /etc/profile after which a login shell still finds the emulated commands."""
    try:
        own = Path("/etc/profile").read_text(errors="surrogateescape")
    except OSError:
        own = ""
    quoted = "'" + str(bin_dir).replace("'", "'\\''") + "'"
    target.write_text(f"{own}\nPATH={quoted}:$PATH\nexport PATH\n", errors="surrogateescape")
