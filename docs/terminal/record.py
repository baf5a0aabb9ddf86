"""Run a few commands as a user would type them, and draw the terminal: ``make docs-terminal``.

The commands really run, on an emulated Slurm of their own; what they print is drawn by rich.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

BAG = """name = "ocean"
[task]
command = ["sh", "check.sh", "{field}"]
[each]
field = { range = "1-40" }
"""
SCRIPT = "sleep 0.1\ntest $1 != 7 || { echo bad header >&2; exit 3; }\n"
COMMANDS = (
    "hpckit submit ocean.toml --backend workqueue --site local --name ocean --wait",
    "hpckit failures",
    "sed -i 's/!= 7/!= 99/' check.sh   # correct the program",
    "hpckit resume --failed --wait",
    "hpckit list",
)
WIDTH = 100


def run_in_terminal(command: str, directory: Path, env: dict[str, str]) -> str:
    """Return what a command shows on a terminal at its end: of a redrawn line the last form."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["bash", "-c", f"stty cols {WIDTH} rows 30; {command}"],
        cwd=directory, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    ):  # fmt: skip
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the terminal's other side is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(ours)
    lines = b"".join(parts).decode(errors="replace").replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines)


def main() -> int:
    """Draw the session into the file that the argument names."""
    target = Path(sys.argv[1])
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    with tempfile.TemporaryDirectory(prefix="t-") as found:
        directory = Path(found)
        (directory / "ocean.toml").write_text(BAG)
        (directory / "check.sh").write_text(SCRIPT)
        env = {**os.environ, "HPCKIT_EMULATOR_DIR": f"{found}/e", "XDG_STATE_HOME": f"{found}/s"}
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        env |= {"TERM": "xterm", "HPCKIT_RUNS": f"{found}/runs"}
        try:
            for command in COMMANDS:
                console.print(Text(f"$ {command}", style="bold"))
                printed = run_in_terminal(command, directory, env)
                console.print(Text.from_ansi(printed.rstrip("\n")), end="\n" if printed else "")
        finally:
            run_in_terminal("hpckit emulate down", directory, env)
    target.write_text(console.export_svg(title="hpckit"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
