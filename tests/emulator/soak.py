"""``make soak``: a live cluster under random work and faults, seeded; and what must hold holds.

No core given twice, no job lost or in two states, every end accounted, no process left. The
state machine by itself gets more of the same from hypothesis in `test_stateful.py`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hpckit.emulator import control

from .conftest import FAST, end_all
from .results import Results

SCRIPTS = (
    "true", "exit 3", "sleep 0.3", "sleep 2", "srun --overlap sleep 0.2",
    "setsid sleep 300 & (sleep 300 &) ; sleep 0.2", "kill -9 $$", "srun -l hostname; exit 1",
    "trap '' TERM; sleep 1; sleep 1",
)  # fmt: skip
FLAGS = (
    [], ["-N2"], ["-n3"], ["-a", "0-4"], ["-a", "0-7%2"], ["--exclusive"], ["-p", "low"],
    ["-N3", "--no-kill"], ["--no-requeue"], ["--begin=now+1"], ["-c2"],
)  # fmt: skip
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY"}
NODES = [f"soak-n{i}" for i in range(1, 5)]


class Soak:
    """One cluster, one source of chance, what was submitted."""

    def __init__(self, cluster: control.Cluster, work: Path, seed: int) -> None:
        self.cluster, self.work, self.chance = cluster, work, random.Random(seed)
        self.jobs: list[int] = []
        self.broken: list[str] = []
        self.checks = 0
        self.moves: tuple[tuple[int, Callable[[], object]], ...] = (
            (12, self.submit), (4, self.cancel), (2, self.requeue), (1, self.kill_node),
            (3, self.resume), (1, self.drain), (1, self.kill_daemon), (4, self.look),
        )  # fmt: skip

    def run(self, command: str, *words: str) -> str:
        """Run a command; its failure is part of the game."""
        return subprocess.run(
            [str(self.cluster.bin_dir / command), *words], cwd=self.work, text=True,
            capture_output=True, timeout=60, check=False,
        ).stdout  # fmt: skip

    def move(self) -> None:
        """Do one thing at random."""
        weights, moves = zip(*self.moves, strict=True)
        self.chance.choices(moves, weights)[0]()

    def submit(self) -> None:
        if len(self.run("squeue", "-h").splitlines()) > 40:
            return
        words = [*self.chance.choice(FLAGS), "-o", "/dev/null", "-t", "2"]
        if self.jobs and self.chance.random() < 0.2:
            words += ["-d", f"afterany:{self.chance.choice(self.jobs[-20:])}"]
        out = self.run("sbatch", "--parsable", *words, "--wrap", self.chance.choice(SCRIPTS))
        if out.strip().isdigit():
            self.jobs.append(int(out))

    def _some_job(self) -> str:
        return str(self.chance.choice(self.jobs[-30:])) if self.jobs else "1"

    def cancel(self) -> None:
        self.run("scancel", *self.chance.choice(([], ["-s", "USR1"], ["-b", "-s", "KILL"])),
                 self._some_job())  # fmt: skip

    def requeue(self) -> None:
        self.run("scontrol", "requeue", self._some_job())

    def kill_node(self) -> None:
        control.kill_node(self.chance.choice(NODES), name="soak")

    def resume(self) -> None:
        control.resume(self.chance.choice(NODES), name="soak")

    def drain(self) -> None:
        control.drain(self.chance.choice(NODES), name="soak")

    def kill_daemon(self) -> None:
        os.kill(int((self.cluster.state_dir / "lock").read_text()), signal.SIGKILL)
        self.run("squeue")  # brings up the next one
        while control.find("soak") is None:
            time.sleep(0.05)

    def look(self) -> None:
        """Assert what the commands show at this moment."""
        self.checks += 1
        for line in self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%N %C").splitlines():
            node, counts = line.split()
            used, idle, other, total = (int(n) for n in counts.split("/"))
            if used > total or used + idle + other != total:
                self.broken.append(f"{node} has {counts}")
        shown = self.run("squeue", "-h", "-o", "%i").split()
        self.broken += [f"{job} is shown twice" for job in set(shown) if shown.count(job) > 1]

    def settle(self) -> None:
        """Bring all nodes up, end what is left, and compare the books."""
        for node in NODES:
            control.resume(node, name="soak")
        self.run("scancel", "--me")
        deadline = time.monotonic() + 60
        while self.run("squeue", "-h") and time.monotonic() < deadline:
            time.sleep(0.1)
        self.broken += [f"never ended: {line}" for line in self.run("squeue", "-h").splitlines()]
        rows = self.run("sacct", "-nXP", "-o", "JobID,State", "-S", "now-1day").splitlines()
        states = dict(row.split("|") for row in rows)
        accounted = {job.partition("_")[0] for job in states}
        self.broken += [f"{job} is lost" for job in self.jobs if str(job) not in accounted]
        self.broken += [f"{job} ended as {state}" for job, state in states.items()
                        if state.split()[0] not in FINAL]  # fmt: skip


def processes_of(state_dir: Path) -> list[int]:
    """Return the processes whose environment names the cluster."""
    mark = f"SLURM_CONF={state_dir}/slurm.conf".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def main() -> int:
    """Soak; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    results = Results("soak")
    with tempfile.TemporaryDirectory(prefix="hpckit-soak-") as directory:
        os.environ["HPCKIT_EMULATOR_DIR"] = directory
        try:
            cluster = control.up(FAST, name="soak")
            soak = Soak(cluster, Path(directory), options.seed)
            end = time.monotonic() + options.minutes * 60
            while time.monotonic() < end and not soak.broken:
                soak.move()
            soak.settle()
        finally:
            end_all("soak")
        for line in soak.broken:
            print(line, file=sys.stderr)
        results.at_least("jobs submitted", len(soak.jobs), 1)
        results.at_most("invariants broken", len(soak.broken), 0)
        results.at_most("processes left", len(processes_of(cluster.state_dir)), 0)
    return results.write()


if __name__ == "__main__":
    sys.exit(main())
