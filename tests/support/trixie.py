"""The fixture of tests that run in the Debian 13 root, which `make trixie` creates."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import trixie_root


@dataclass(frozen=True)
class Trixie:
    """The Debian 13 root: its directory, and commands that run in it."""

    root: Path

    def argv(self, command: Sequence[str], *, seen: Sequence[Path] = ()) -> list[str]:
        """Return the argv, for subprocess, that runs `command` in the root.

        The command sees the checkout and the directories `seen` under their own paths, and keeps
        the working directory.
        """
        return trixie_root.argv_inside(command, seen=(trixie_root.CHECKOUT, *seen))

    def run(
        self, command: Sequence[str], *, seen: Sequence[Path] = (), timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` in the root and return its output; a failure raises nothing."""
        return subprocess.run(
            self.argv(command, seen=seen),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


@pytest.fixture(scope="session")
def trixie() -> Trixie:
    """The root that `make trixie` created; without one the test is skipped."""
    reason = trixie_root.missing_reason()
    if reason:
        pytest.skip(reason)
    return Trixie(trixie_root.root_dir())
