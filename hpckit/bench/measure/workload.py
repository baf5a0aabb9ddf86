"""The bag that is measured: one C++ program, each task with an array of its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hpckit.assets import find_compress_task
from hpckit.errors import InputError

#: Writes a file for each start of a task: when it started, in which job, and (`end`; by the time
#: of the file) when it ended. Counting them needs nothing of hpckit. It has no braces, for in a
#: bag they would be placeholders.
RECORD_START: Final = (
    'f=$(mktemp "$0.XXXXXX") && '
    'echo "$(date +%s.%N) $SLURM_ARRAY_JOB_ID"_"$SLURM_ARRAY_TASK_ID" > "$f" && '
    '"$@" && echo end >> "$f"'
)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A bag of equal tasks.

    Attributes:
        program: the compress_task executable.
        size: values along each axis of a task's array.
        tasks: how many.
        tolerance: of the compression.
        seed: of the array of the first task; each further task has the next one.
        records_starts: True if each start of a task leaves a file.
    """

    program: Path
    size: int
    tasks: int
    tolerance: float
    seed: int
    records_starts: bool = False

    @property
    def seeds(self) -> range:
        """Names of the tasks: the seeds of their arrays."""
        return range(self.seed, self.seed + self.tasks)

    def commands(self, directory: Path) -> list[list[str]]:
        """Return the command of each task; outputs go to `directory`/out."""
        return [self._command(directory, str(seed)) for seed in self.seeds]

    def bag(self, directory: Path) -> str:
        """Return the same tasks as a bag for hpckit."""
        command = json.dumps(self._command(directory, "{seed}"))
        seeds = f"{self.seeds[0]}-{self.seeds[-1]}"
        return f'[task]\ncommand = {command}\n[each]\nseed = {{ range = "{seeds}" }}\n'

    def _command(self, directory: Path, seed: str) -> list[str]:
        argv = [str(self.program), "compress", "--generate", f"{self.size},{seed}"]
        argv += ["-o", str(directory / "out" / seed), "--tolerance", f"{self.tolerance!r}"]
        if self.records_starts:
            return ["sh", "-c", RECORD_START, str(directory / "starts" / seed), *argv]
        return argv


def find_program() -> Path:
    """Return the path of the C++ task.

    Raises:
        InputError: it is not built.
    """
    found = find_compress_task()
    if found is None:
        raise InputError(
            "the C++ task, compress_task, was not found in native/build nor on PATH",
            hint="Build it with `make native`; without a compiler, try `hpckit demo`, which has a "
            "task in Python.",
        )
    return found.resolve()


def make_directories(directory: Path) -> Path:
    """Make the directories for the outputs of a run; return `directory`."""
    for name in ("out", "starts"):
        (directory / name).mkdir(parents=True)
    return directory


def digest_outputs(workload: Workload, directory: Path) -> str:
    """Return a hash of the outputs of all tasks: of names and contents.

    A missing output changes the hash, too. Half-written files of killed tasks, which have hidden
    names, do not count.
    """
    found = hashlib.sha256()
    for seed in workload.seeds:
        path = directory / "out" / str(seed)
        content = path.read_bytes() if path.is_file() else None
        found.update(f"{seed} {'missing' if content is None else len(content)}\n".encode())
        found.update(content or b"")
    return found.hexdigest()


def time_single_tasks(workload: Workload, directory: Path, times: int) -> list[float]:
    """Return how long a task takes by itself, from start to exit, measured so many times.

    Raises:
        InputError: the task fails.
    """
    make_directories(directory)
    took = []
    for argv in replace(workload, tasks=times).commands(directory):
        began = time.perf_counter()
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        took.append(time.perf_counter() - began)
        if done.returncode:
            raise InputError(
                f"the task ends with exit code {done.returncode}: {done.stderr.strip()}",
                hint="Try another --size or --tolerance.",
            )
    return took


@dataclass(frozen=True)
class TaskStart:
    """One start of a task, read from its file; `ended_at` is 0 if it was interrupted."""

    task: str
    started_at: float
    job: str
    ended_at: float


def read_starts(directory: Path) -> Iterator[TaskStart]:
    """Yield every start of every task. One with an empty file has not run the program."""
    for path in sorted((directory / "starts").iterdir()):
        first, _, rest = path.read_text().partition("\n")
        at, _, job = first.partition(" ")
        if at:
            ended = path.stat().st_mtime if rest.startswith("end") else 0.0
            yield TaskStart(path.name.partition(".")[0], float(at), job, ended)
