"""Fixture for tests that run in the Debian 13 root that `make trixie` makes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import trixie_root


@dataclass(frozen=True)
class Trixie:
    """The Debian 13 root: its directory, and how to run something in it."""

    root: Path

    def argv(self, command: Sequence[str], *, seen: Sequence[Path] = ()) -> list[str]:
        """The argv, for subprocess, that runs `command` in the root.

        It sees the checkout and the directories `seen` under their own paths, and keeps the
        working directory.
        """
        return trixie_root.argv_inside(command, seen=(trixie_root.CHECKOUT, *seen))

    def run(
        self, command: Sequence[str], *, seen: Sequence[Path] = (), timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` in the root to its end and return what it said; never raises on failure."""
        return subprocess.run(
            self.argv(command, seen=seen),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


@pytest.fixture(scope="session")
def trixie() -> Trixie:
    """The root that `make trixie` made; skips with what would make one."""
    reason = trixie_root.missing_reason()
    if reason:
        pytest.skip(reason)
    return Trixie(trixie_root.root_dir())
