"""A Debian 13 root beside this machine's Debian: Slurm 24.11, Python 3.13, the newer Work Queue.

    python -m tests.support.trixie_root make           # debootstrap and packages; once
    python -m tests.support.trixie_root run -- COMMAND  # in it, seeing this checkout
    python -m tests.support.trixie_root remove

It is under ``$HPCKIT_TRIXIE_ROOT``, else /var/lib/hpckit-trixie. Each command has its own mount
namespace, so that no mount remains.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.slurm.cluster.prerequisites import SEARCH_PATH

MIRROR = os.environ.get("HPCKIT_DEBIAN_MIRROR", "http://deb.debian.org/debian")
CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("ca-certificates", "iproute2", "procps", "mariadb-server", "munge"),
    *("slurm-wlm", "slurmdbd"),
    *("python3", "python3-venv", "python3-pytest"),
    *("coop-computing-tools", "python3-workqueue"),
)
SEEN_INSIDE = ("/proc", "/sys", "/dev", "/etc/resolv.conf", "/etc/hosts")


def root_dir() -> Path:
    return Path(os.environ.get("HPCKIT_TRIXIE_ROOT", "/var/lib/hpckit-trixie")).absolute()


def missing_reason() -> str:
    """Return why there is no Debian 13 root, and the command that makes one; "" when there is."""
    if os.geteuid() != 0:
        return "the Debian 13 root needs root (chroot): run as root"
    if not is_made():
        return f"no Debian 13 root under {root_dir()}: run `make trixie` (two minutes, 1 GB)"
    return ""


def is_made() -> bool:
    try:
        return _marker().read_text() == _fingerprint()
    except OSError:
        return False


def make() -> bool:
    """Create the root; return False if it existed. Idempotent, also after an interruption."""
    if is_made():
        return False
    root = root_dir()
    if not (root / "etc/debian_version").exists() or (root / "debootstrap").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        _call([_debootstrap(), "--variant=minbase", "trixie", str(root), MIRROR])
    _forbid_services(root)
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    _call(argv_inside([*apt, "update"]))
    _call(argv_inside([*apt, "install", "-y", "--no-install-recommends", *PACKAGES]))
    _marker().write_text(_fingerprint())
    return True


def remove() -> bool:
    if not root_dir().exists():
        return False
    shutil.rmtree(root_dir())
    return True


def argv_inside(command: Sequence[str], *, seen: Sequence[Path] = (CHECKOUT,)) -> list[str]:
    """Return the argv that runs `command` in the root, with the directories `seen` at their paths.

    The command keeps the working directory if the root has it.
    """
    root = root_dir()
    here = shlex.quote(str(root))
    lines = ["set -eu", f"mount --bind {here} {here}"]  # "/" must be a mount for `ip netns`
    for path in (*SEEN_INSIDE, *map(str, seen)):
        there = shlex.quote(f"{root}{path}")
        make_it = f"mkdir -p {there}" if Path(path).is_dir() else f"[ -e {there} ] || : > {there}"
        lines += [make_it, f"mount --rbind {shlex.quote(path)} {there}"]
    keep_directory = shlex.quote('cd "$0" 2>/dev/null || cd /; exec "$@"')
    lines.append(f'exec chroot {here} /bin/sh -c {keep_directory} "$PWD" "$@"')
    return ["unshare", "--mount", "/bin/sh", "-c", "\n".join(lines), "trixie", *command]


def _forbid_services(root: Path) -> None:
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")  # invoke-rc.d(8): action forbidden by policy
    policy.chmod(0o755)


def _marker() -> Path:
    return root_dir() / "etc/hpckit-packages"


def _fingerprint() -> str:
    return hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()


def _debootstrap() -> str:
    found = shutil.which("debootstrap", path=SEARCH_PATH)
    if found is None:
        raise SystemExit("trixie: debootstrap not found; apt-get install debootstrap")
    return found


def _call(argv: Sequence[str]) -> None:
    done = subprocess.run(list(argv), check=False, stdout=sys.stderr)
    if done.returncode != 0:
        raise SystemExit(f"trixie: {' '.join(argv[-6:])} exited with {done.returncode}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.trixie_root")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make", help="make the root; nothing happens when it is there")
    commands.add_parser("remove", help="remove it")
    run = commands.add_parser("run", help="run a command in it")
    run.add_argument("argv", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.command == "run":
        if reason := missing_reason():
            raise SystemExit(f"trixie: {reason}")
        command = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
        return subprocess.run(argv_inside(command or ["/bin/bash"]), check=False).returncode
    if os.geteuid() != 0:
        raise SystemExit("trixie: debootstrap and chroot need root: run as root")
    changed = make() if options.command == "make" else remove()
    print(f"{root_dir()}: {options.command}{' done' if changed else ': nothing to do'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
