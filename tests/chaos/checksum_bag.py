"""The bag of a round: tasks that leave a checksum, a few of which fail on purpose."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Final

BAD_EVERY: Final = 61  # one task of so many ends with exit code 3
SCRIPT: Final = """#!/bin/sh
# Waits while the round holds tasks back, writes a line for each start, works, writes a checksum.
while [ -e hold ]; do sleep 0.1; done
echo "$1" >> ran
sleep "$2"
if [ $(($1 % 61)) -eq 17 ]; then echo "task $1 fails on purpose" >&2; exit 3; fi
printf '%s' "$1" | sha256sum | cut -d' ' -f1 > "$3"
"""
BAG: Final = """
[task]
command = ["./work.sh", "{{number}}", "0.{{length}}", "{{out}}"]
outputs = ["{{out}}"]
atomic_outputs = true
timeout = "4m"
[each]
number = {{ range = "0-{last}" }}
length = {{ lines = "length.txt" }}
[let]
out = "out/{{number}}"
"""


def write_bag(root: Path, tasks: int, length: str) -> None:
    """Write the bag and its program; each task works for ``0.{length}`` seconds."""
    (root / "work.sh").write_text(SCRIPT)
    (root / "work.sh").chmod(0o755)
    (root / "length.txt").write_text(f"{length}\n")
    (root / "ran").touch()
    (root / "bag.toml").write_text(BAG.format(last=tasks - 1))


def fails_on_purpose(index: int) -> bool:
    """Return True if a task fails on purpose."""
    return index % BAD_EVERY == 17


def wrong_outputs(root: Path, tasks: int) -> list[str]:
    """Return descriptions of all wrong outputs."""
    found = []
    for index in range(tasks):
        path = root / "out" / str(index)
        if fails_on_purpose(index):
            if path.exists():
                found.append(f"task {index} failed and has an output")
            continue
        wanted = hashlib.sha256(str(index).encode()).hexdigest()
        try:
            text = path.read_text().strip()
        except OSError as error:
            found.append(f"task {index}: {error.strerror}")
            continue
        if text != wanted:
            found.append(f"task {index}: its output is {text[:20]!r}")
    return found


def stray_files(root: Path) -> list[Path]:
    """Return files beside the outputs; the head removes temporary ones after the run's end."""
    return [path for path in sorted((root / "out").iterdir()) if not path.name.isdigit()]


def start_counts(root: Path) -> Counter[int]:
    """Return how often each task was started."""
    return Counter(int(line) for line in (root / "ran").read_text().split())
