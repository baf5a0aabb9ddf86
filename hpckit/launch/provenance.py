"""Where a run comes from: versions, machine, user, command line (``hpckit.provenance/1``)."""

from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from hpckit import __version__

PROVENANCE_SCHEMA: Final = "hpckit.provenance/1"
_PACKAGES = ("ray", "ndcctools", "submitit", "numpy", "zfpy")
_GIT_TIMEOUT_S = 5.0


def provenance(
    *, argv: tuple[str, ...], directory: str, site_origins: Mapping[str, str]
) -> dict[str, object]:
    """Return what is written down of a run's origin.

    Args:
        argv: the command line.
        directory: the bag's; its state in git is recorded, when it is in git.
        site_origins: by dotted key, the ``file:line`` of each of the site's values.
    """
    return {
        "schema": PROVENANCE_SCHEMA,
        "created_at": time.time(),
        "host": socket.gethostname(),
        "user": _user(),
        "cwd": str(Path.cwd()),
        "argv": list(argv),
        "python": sys.version.split()[0],
        "executable": sys.executable,
        "system": platform.platform(),
        "packages": {
            "hpckit": __version__,
            **{name: found for name in _PACKAGES if (found := _version(name))},
        },
        "git": {"bag": _describe(directory), "hpckit": _describe(str(Path(__file__).parent))},
        "site_origins": dict(site_origins),
    }


def provenance_json(body: dict[str, object]) -> str:
    """Return the document of ``provenance.json``."""
    return json.dumps(body, indent=1)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no entry for this uid
        return str(os.getuid())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _describe(directory: str) -> str:
    """Return ``git describe`` of a directory, ``""`` where there is no git or no repository."""
    argv = ["git", "-C", directory, "describe", "--always", "--dirty", "--tags"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
