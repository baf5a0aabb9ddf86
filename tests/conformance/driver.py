"""The driver of a case: Slurm's commands, and the jobs that it submitted."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

FINAL = frozenset(
    {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY"}
)
POLL_S = 0.15
UNTIL_GO = "while [ ! -e go ]; do sleep 0.1; done"  # a job with this runs until `Slurm.go`
TIMEOUT_S = 180.0  # other cases may hold a node that is wanted whole to their limit, a minute


class Faults(Protocol):
    """The faults that can be injected into either Slurm."""

    def kill_node(self, name: str) -> None: ...
    def start_node(self, name: str) -> None: ...
    def stop_controller(self) -> None: ...
    def start_controller(self) -> None: ...
    def mend(self) -> None: ...


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"{' '.join(self.argv)}\n  exit {self.code}\n  out: {self.out}\n  err: {self.err}"


def until(
    what: str,
    holds: Callable[[], bool],
    timeout_s: float = TIMEOUT_S,
    instead: Callable[[], str] = str,
) -> None:
    """Poll until `holds`; after the deadline fail with `what` and the answer of `instead`."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s:g} s\n{instead()}".rstrip())
        time.sleep(POLL_S)


@dataclass
class Slurm:
    """One Slurm, real or emulated, as one case sees it.

    Attributes:
        bin_dir: the directory of the commands.
        directory: the case's own, seen by all nodes; commands run there.
        nodes: the nodes' names, in order: four of 2 CPUs, 4000 MB and 2 GPUs.
        user: the submitting user.
        faults: injects faults; only for cases with ``breaks=True``.
    """

    name: str
    bin_dir: Path
    directory: Path
    nodes: list[str]
    user: str
    faults: Faults
    jobs: list[Job] = field(default_factory=list)
    _counter: itertools.count[int] = field(default_factory=itertools.count)

    def hosts(self, first: int, last: int) -> str:
        """Return the hostlist of the nodes `first` to `last`, counted from 1: ``n[1-3]``."""
        if first == last:
            return self.nodes[first - 1]
        prefix = self.nodes[0].rstrip("0123456789")
        return f"{prefix}[{first}-{last}]"

    # --- commands
    def call(
        self,
        command: str,
        *words: str,
        stdin: str = "",
        env: dict[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Done:
        """Run one of Slurm's commands in the case's directory, whatever its exit code."""
        argv = (str(self.bin_dir / command), *words)
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, check=False,
            cwd=self.directory, env=self.environment(env), timeout=timeout_s,
        )  # fmt: skip
        return Done((command, *words), done.returncode, done.stdout, done.stderr)

    def ok(self, command: str, *words: str, **more: str) -> str:
        """Run a command that must succeed; return its stdout without the last newline."""
        done = self.call(command, *words, env=more or None)
        assert done.code == 0, str(done)
        return done.out.rstrip("\n")

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        path = f"{self.bin_dir}:/usr/local/bin:/usr/bin:/bin"
        home = os.environ.get("HOME", "/")
        return {
            "PATH": path,
            "HOME": home,
            "LANG": "C.UTF-8",
            "CASE": "conformance",
            **(more or {}),
        }

    # --- jobs
    def script(self, text: str) -> str:
        """Write a script and return its file's name; add a #! line if it has none."""
        name = f"script-{next(self._counter)}.sh"
        body = text if text.startswith("#!") else "#!/bin/bash\n" + text
        (self.directory / name).write_text(body)
        return name

    def sbatch(self, *options: str, script: str = "", env: dict[str, str] | None = None) -> Job:
        """Submit a script, or a command by ``--wrap``. It must be accepted."""
        words = [*options, *([self.script(script)] if script else [])]
        done = self.call("sbatch", *words, env=env)
        assert done.code == 0, str(done)
        number = done.out.split(";")[0].split()[-1]
        job = Job(self, number)
        self.jobs.append(job)
        return job

    def refuses(self, *options: str, script: str = "") -> Done:
        """Submit a job that must be refused; return the command's result."""
        done = self.call("sbatch", *options, *([self.script(script)] if script else []))
        assert done.code != 0, f"it was accepted: {done}"
        assert done.out == "", str(done)
        return done

    def run(self, *options: str, script: str = "", env: dict[str, str] | None = None) -> str:
        """Submit, wait for COMPLETED, and return the job's output."""
        job = self.sbatch(*options, script=script, env=env)
        state = job.end()
        assert state == "COMPLETED", f"{state}: {job.output()}"
        return job.output()

    def read(self, name: str) -> str:
        return (self.directory / name).read_text()

    def files(self, pattern: str) -> list[str]:
        return sorted(p.name for p in self.directory.glob(pattern))

    def go(self) -> None:
        """End the jobs that run `UNTIL_GO`."""
        (self.directory / "go").touch()

    def clean_up(self) -> None:
        """Cancel the case's jobs that are still in the queue, and wait for their end."""
        left = [job for job in self.jobs if job.states() - FINAL]
        if left:
            self.call("scancel", *(job.id for job in left))
            for job in left:
                job.end()


@dataclass(frozen=True)
class Job:
    """A submitted job, or array of jobs."""

    slurm: Slurm
    id: str

    def shown(self, fmt: str, *more: str) -> str:
        """Return the output of ``squeue -h -t all -o FMT`` for the job."""
        return self.slurm.ok("squeue", "-h", "-t", "all", "-j", self.id, "-o", fmt, *more)

    def states(self) -> set[str]:
        return set(self.shown("%T", "-r").split())

    def state(self) -> str:
        """Return its state; of an array, the states of its tasks, in alphabetical order."""
        return " ".join(sorted(self.shown("%T", "-r").split()))

    def reason(self) -> str:
        return self.shown("%r")

    def end(self, timeout_s: float = TIMEOUT_S) -> str:
        """Wait until it has ended; return its state (of an array, all its tasks' states)."""
        self._until("to end", lambda: not self.states() - FINAL, timeout_s)
        return "/".join(sorted(self.states()))

    def becomes(self, state: str, timeout_s: float = TIMEOUT_S) -> Job:
        self._until(f"to be {state}", lambda: state in self.states(), timeout_s)
        return self

    def _until(self, what: str, holds: Callable[[], bool], timeout_s: float) -> None:
        """Call `until`; its error shows the job's record and output, and the queue."""

        def instead() -> str:
            return (
                f"{self.slurm.ok('squeue', '-r')}\n"
                f"{self.slurm.ok('scontrol', '-d', 'show', 'job', self.id)}\n"
                f"it wrote: {self.output()!r}"
            )

        until(f"job {self.id} {what}", holds, timeout_s, instead)

    def waits_for(self, reason: str, timeout_s: float = TIMEOUT_S) -> Job:
        """Wait until it is pending for that reason."""

        def holds() -> bool:
            return self.shown("%T %r").splitlines()[0] == f"PENDING {reason}"

        deadline = time.monotonic() + timeout_s
        while not holds():
            now = self.shown("%T %r")
            assert time.monotonic() < deadline, f"{self.id} is {now}, not PENDING {reason}"
            time.sleep(POLL_S)
        return self

    def says(self, text: str, timeout_s: float = TIMEOUT_S) -> Job:
        """Wait until its output contains the text."""
        self._until(f"to say {text!r}", lambda: text in self.output(), timeout_s)
        return self

    def output(self) -> str:
        """Return the content of slurm-ID.out, "" if there is none yet."""
        path = self.slurm.directory / f"slurm-{self.id}.out"
        return path.read_text() if path.exists() else ""

    def lines(self) -> list[str]:
        return self.output().splitlines()

    def said(self) -> list[str]:
        """Return its lines without srun's own, which may report that a step had to wait."""
        return [line for line in self.lines() if not line.startswith("srun: ")]

    def cancel(self, *options: str) -> Job:
        self.slurm.ok("scancel", *options, self.id)
        return self

    def acct(self, fields: str, *more: str) -> list[str]:
        """Return the rows of ``sacct -n -P -o FIELDS`` once accounting has its end."""

        def recorded() -> bool:
            """Return True if the job's start is recorded too: accounting may get its end first."""
            rows = self.slurm.ok("sacct", "-n", "-P", "-X", "-j", self.id, "-o", "partition,end")
            pairs = [row.split("|") for row in rows.splitlines()]
            return len(pairs) == tasks and all(p and end != "Unknown" for p, end in pairs)

        tasks = len(self.shown("%i", "-r").splitlines())

        until(f"the accounting of job {self.id}", recorded)
        return self.slurm.ok("sacct", "-n", "-P", "-j", self.id, "-o", fields, *more).splitlines()

    def detail(self, key: str) -> str:
        """Return one value of ``scontrol show job``: from KEY= to the next space."""
        text = self.slurm.ok("scontrol", "show", "job", self.id)
        for word in text.split():
            name, _, value = word.partition("=")
            if name == key:
                return value
        raise AssertionError(f"no {key}= in:\n{text}")
