"""The user's login environment, for jobs that export only a part of the submitter's.

Source: sbatch(1) ``--export``, ``--get-user-env``: slurmd runs ``su - USER -c /usr/bin/env``.
"""

from __future__ import annotations

import os
import pwd
import subprocess

_TIMEOUT_S = 8.0
_FIRST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment() -> dict[str, str]:
    """Return the environment of a login shell of this user."""
    about = pwd.getpwuid(os.geteuid())
    shell = about.pw_shell if os.access(about.pw_shell, os.X_OK) else "/bin/sh"
    first = {
        "HOME": about.pw_dir, "LOGNAME": about.pw_name, "USER": about.pw_name, "SHELL": shell,
        "PATH": _FIRST_PATH, "MAIL": f"/var/mail/{about.pw_name}",
    }  # fmt: skip
    try:
        done = subprocess.run(
            [shell, "-l", "-c", "exec /usr/bin/env -0"], env=first, cwd=about.pw_dir, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return first
    pairs = (word.partition("=") for word in os.fsdecode(done.stdout).split("\0") if "=" in word)
    return {**first, **{name: value for name, _, value in pairs}}
