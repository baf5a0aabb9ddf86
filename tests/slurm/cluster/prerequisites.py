"""Check what this machine must have before a cluster can be brought up."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PACKAGES_FILE = Path(__file__).parent.parent / "debian-packages.txt"

PROGRAM_OF_PACKAGE = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "slurmdbd": "slurmdbd",
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "umount": "util-linux",
}

SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]
)


def program(name: str) -> str:
    """Return the absolute path of a program, also in sbin directories."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise FileNotFoundError(f"{name} not found; install {PROGRAM_OF_PACKAGE.get(name, name)}")
    return found


def packages() -> list[str]:
    """Return the Debian packages that a cluster needs, from debian-packages.txt."""
    lines = (line.partition("#")[0].strip() for line in PACKAGES_FILE.read_text().splitlines())
    return [line for line in lines if line]


def missing_reason() -> str:
    """Return why no cluster can start here, and the command that changes that; "" if one can."""
    if os.geteuid() != 0:
        return "the real Slurm needs root (namespaces, bridge): run `sudo make slurm-up` first"
    missing = sorted(
        {
            package
            for name, package in PROGRAM_OF_PACKAGE.items()
            if shutil.which(name, path=SEARCH_PATH) is None
        }
    )
    if missing:
        return f"the real Slurm needs packages: apt-get install {' '.join(missing)}"
    return ""
