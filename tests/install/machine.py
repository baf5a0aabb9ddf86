"""A root that has only Debian, git, make and Python.

Under ``$HPCKIT_FRESH_DIR``, else /var/lib/hpckit-fresh-RELEASE, are ``base`` (created once by
debootstrap) and one copy of it per journey. Each command in it has its own mounts, processes and
shared memory, which end with it; the network is this machine's.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.install import host
from tests.slurm.cluster.prerequisites import SEARCH_PATH, program
from tests.support.trixie_root import CHECKOUT, MIRROR

PACKAGES = ("git", "make", "python3", "ca-certificates")
USER = "newcomer"
_UID = 4321
_LEFT = "var/log/left-behind"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Said:
    """The output of a command, each line with the seconds since its start, and its exit code."""

    status: int = 0
    took_s: float = 0.0
    lines: list[tuple[float, str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)

    def when(self, words: str) -> float:
        """Return the seconds after which a line with these words came; NaN if none did."""
        return next((at for at, line in self.lines if words in line), float("nan"))


@dataclass(frozen=True)
class Machine:
    """One copy of the bare root, with a clone of this checkout's commit in each home."""

    root: Path

    def home(self, user: str) -> str:
        return f"/home/{USER}" if user == USER else f"/srv/{self.root.parent.name}"

    def run(
        self,
        script: str,
        *,
        user: str = "root",
        extra: Mapping[str, str] | None = None,
        own_network: bool = False,
    ) -> Said:
        """Run a shell script in the clone, as `user`, without a terminal; show its output."""
        started, said = time.monotonic(), Said()
        argv = self._argv(script, user, extra or {}, own_network)
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    at = time.monotonic() - started
                    said.lines.append((at, line.rstrip()))
                    sys.stdout.write(f"{at:8.1f}  {line.rstrip()}\n")
                    sys.stdout.flush()
            except BaseException:
                process.kill()  # ends all that runs inside too: unshare's --kill-child
                raise
        said.status, said.took_s = process.returncode, time.monotonic() - started
        left = Path(self.root, _LEFT).read_text().splitlines()
        said.left = [line for line in left if line.strip()]
        return said

    def _argv(
        self, script: str, user: str, extra: Mapping[str, str], own_network: bool
    ) -> list[str]:
        home = self.home(user)
        told = {"HOME": home, "USER": user, "PATH": _PATH, "LANG": "C.UTF-8", "TERM": "dumb"}
        env = [f"{name}={value}" for name, value in {**told, **host.environment(), **extra}.items()]
        become = ["setpriv", f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups"]
        inner = f"set -e; cd {home}/hpckit\n{script}"
        command = [
            "env",
            "-i",
            "--default-signal",
            *env,
            *(become if user == USER else []),
            "bash",
            "-c",
            inner,
        ]
        isolate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"]
        outer = "\n".join(["set -eu", *self._mounts(own_network), self._enter(command)])
        return [*isolate, *(["--net"] if own_network else []), "/bin/sh", "-c", outer]

    def _mounts(self, own_network: bool) -> list[str]:
        root = shlex.quote(str(self.root))
        lines = [f"mount --bind {root} {root}", f"mount -t proc proc {root}/proc"]
        lines.append(f"mount --rbind /dev {root}/dev")
        if own_network:  # /sys/class/net shows the network in which it was mounted
            lines += [f"mount -t sysfs sysfs {root}/sys", "cgroups=/sys/fs/cgroup"]
            lines.append(f'[ ! -d $cgroups ] || mount --rbind $cgroups "{self.root}$cgroups"')
        else:
            lines.append(f"mount --rbind /sys {root}/sys")
        lines.append(f"mount -t tmpfs -o mode=1777 shm {root}/dev/shm")
        for path in map(str, host.local_indexes()):
            there = shlex.quote(f"{self.root}{path}")
            lines += [f"mkdir -p {there}", f"mount --rbind -o ro {shlex.quote(path)} {there}"]
        return lines

    def _enter(self, command: Sequence[str]) -> str:
        """Return the shell line that runs the command in the root and lists leftover processes."""
        left = f"{shlex.quote(str(self.root))}/{_LEFT}"
        ours = "for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) continue; esac; "
        look = ours + "tr '\\0' ' ' <$p/cmdline && echo; done 2>/dev/null"
        loopback = "if command -v ip >/dev/null; then ip link set lo up || :; fi"
        inner = f'{loopback}; "$@"; status=$?; sleep 1; {{ {look}; }} >/{_LEFT}; exit $status'
        words = " ".join(shlex.quote(word) for word in ["/bin/sh", "-c", inner, "fresh", *command])
        return f": > {left}; chroot {shlex.quote(str(self.root))} {words}"


def missing_reason() -> str:
    """Return why no bare Debian can be created here, with the command that helps; else ""."""
    if os.geteuid() != 0:
        return "debootstrap and chroot need root: run as root"
    if shutil.which("debootstrap", path=SEARCH_PATH) is None:
        return "debootstrap not found; apt-get install debootstrap"
    return ""


def directory(release: str) -> Path:
    default = f"/var/lib/hpckit-fresh-{release}"
    return Path(os.environ.get("HPCKIT_FRESH_DIR", default)).absolute()


def make_base(release: str) -> Path:
    """Create the bare root of a release once; return its path. Idempotent after an interrupt."""
    base, done = directory(release) / "base", directory(release) / "base.done"
    if done.exists():
        return base
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    include = f"--include={','.join(PACKAGES)}"
    argv = [program("debootstrap"), "--variant=minbase", include, release, str(base), MIRROR]
    subprocess.run(argv, check=True)
    policy = base / "usr/sbin/policy-rc.d"  # a chroot must start no services: invoke-rc.d(8)
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    done.touch()
    return base


def make_machine(release: str, name: str) -> Machine:
    """Create a new copy of the bare root; remove an old one of this name."""
    base, root = make_base(release), directory(release) / name
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)
    host.copy_settings(root)
    useradd = ["useradd", f"--uid={_UID}", "--create-home", "--shell=/bin/bash", USER]
    subprocess.run(["chroot", str(root), *useradd], check=True, env={"PATH": _PATH})
    machine = Machine(root)
    for user, uid in (("root", 0), (USER, _UID)):
        clone = f"{root}{machine.home(user)}/hpckit"
        subprocess.run(["git", "clone", "--quiet", "--no-local", str(CHECKOUT), clone], check=True)
        subprocess.run(["chown", "-R", f"{uid}:{uid}", clone], check=True)
    return machine
