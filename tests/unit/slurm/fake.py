"""Slurm's commands as scripts that print what a test wants and record how they were called."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FakeSlurm:
    """A directory of commands; `asked` has the command line of each call."""

    root: Path

    @property
    def bin(self) -> str:
        return str(self.root)

    def answer(self, program: str, stdout: str = "", *, stderr: str = "", code: int = 0) -> None:
        """Let a command print this and end with `code` from now on."""
        self.script(
            program,
            f"printf %s {shlex.quote(stdout)}\nprintf %s {shlex.quote(stderr)} >&2\nexit {code}\n",
        )

    def script(self, program: str, body: str) -> None:
        """Let a command run these lines from now on; ``$log`` is the file of calls."""
        path = self.root / program
        log = shlex.quote(str(self.root / "asked"))
        head = f'#!/bin/bash\nlog={log}\necho "{program} $*" >>"$log"\n'
        path.write_text(head + body)
        path.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        log = self.root / "asked"
        return log.read_text().splitlines() if log.exists() else []


def fake_slurm(root: Path) -> FakeSlurm:
    root.mkdir()
    return FakeSlurm(root)
