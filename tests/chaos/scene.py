"""The parts of a round's run that a fault can find and touch."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from hpckit.errors import HpckitError
from tests.chaos import journal
from tests.chaos.cluster import ChaosPlace
from tests.support.slurm_site import environ_of, processes_of

ENGINE_PROGRAM = {"ray": "raylet", "workqueue": "work_queue_worker"}


@dataclass(frozen=True)
class Strike:
    """A fault that was done.

    Attributes:
        what: in words, with the ids that it was done to.
        evidence: returns what proves that it took effect, ``""`` as long as nothing does.
        mend: undoes it, once it has taken effect (or has not in time).
    """

    what: str
    evidence: Callable[[], str]
    mend: Callable[[], None] = lambda: None


class NoTarget(Exception):
    """The target that a fault needs is not there now."""


@dataclass
class Scene:
    """One running run."""

    slurm_site: ChaosPlace
    root: Path
    name: str
    backend: str
    shape: str
    chance: random.Random

    @property
    def run_dir(self) -> Path:
        return self.slurm_site.runs / self.name

    def jobs(self, *roles: str) -> list[str]:
        """Return the ids of the run's jobs with one of these roles, oldest first."""
        lines = (self.run_dir / "jobs.jsonl").read_text().splitlines()
        return [job["job_id"] for job in map(json.loads, lines) if job["role"] in roles]

    def head_job(self) -> str:
        return self.jobs("head", "allocation")[-1]

    def incarnations(self) -> int:
        return len(journal.of_kind(self.run_dir, "opened"))

    def loop(self) -> psutil.Process:
        """Return the newest head's loop, once it serves workers."""
        return self._one("hpckit.head.main_loop")

    def supervisor(self) -> psutil.Process:
        return self._one("hpckit.head")

    def worker(self) -> psutil.Process:
        """Return one of the workers' processes that have joined the newest head.

        One that was cancelled while there was none has not said that it left.
        """
        since = journal.of_kind(self.run_dir, "opened")[-1]["t"]
        joined = journal.of_kind(self.run_dir, "joined")
        here = {e["worker"] for e in joined if e["t"] >= since}
        here -= {e["worker"] for e in journal.of_kind(self.run_dir, "left")}
        found = [p for p in self._all("hpckit.worker") if worker_of(p) in here]
        if not found:
            raise NoTarget("no worker is here")
        return self.chance.choice(found)

    def engine(self) -> psutil.Process:
        """Return the engine's own process on one of the workers."""
        program = ENGINE_PROGRAM[self.backend]
        found = []
        for process in self._all("hpckit.worker"):
            with contextlib.suppress(psutil.Error):
                below = process.children(recursive=True)
                found += [p for p in below if p.name() == program[:15] or p.name() == program]
        if not found:
            raise NoTarget(f"no {program} runs")
        return self.chance.choice(found)

    def left(self, worker: str, since: float) -> str:
        """Return how the journal tells that a worker went."""
        for event in journal.of_kind(self.run_dir, "left"):
            if event["worker"] == worker and event["t"] >= since:
                return (
                    f"journal: left, {'in order' if event['orderly'] else 'lost'}: {event['why']}"
                )
        return ""

    def new_head(self, before: int) -> str:
        """Return that there is a newer incarnation, as the journal has it."""
        now = self.incarnations()
        return f"journal: opened, incarnation {now}" if now > before else ""

    def life(self, job: str, *states: str) -> str:
        """Return the life of a job, or of an element of it, that ended in one of `states`."""
        return next(iter(self.lives(job, *states)), "")

    def lives(self, job: str, *states: str) -> list[str]:
        """Return all of them: a job that was requeued has several."""
        return [
            f"sacct: {job_id} {state} {code}"
            for job_id, state, code in self.slurm_site.lives()
            if (job_id == job or job_id.startswith(f"{job}_")) and state in states
        ]

    def logged(self, words: str) -> int:
        """Return how often something was said in the logs of the run's jobs."""
        logs = (self.run_dir / "logs").iterdir()
        return sum(path.read_text(errors="replace").count(words) for path in logs)

    def _one(self, module: str) -> psutil.Process:
        found = self._all(module)
        if not found:
            raise NoTarget(f"no {module} runs")
        return max(found, key=lambda process: process.create_time())

    def _all(self, module: str) -> list[psutil.Process]:
        found = processes_of(self.run_dir, module)
        return [p for p in found if "srun" not in Path(first_word(p)).name]


def first_word(process: psutil.Process) -> str:
    """Return the program of a process; an emulated command is named by its own path."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return "srun"
    return "srun" if any(word == "srun" or word.endswith("/srun") for word in words) else words[0]


def worker_of(process: psutil.Process) -> str:
    """Return the name of the worker that a process is (hpckit.common.slurm_env)."""
    env = environ_of(process)
    job = env.get("SLURM_JOB_ID", "")
    if env.get("SLURM_ARRAY_JOB_ID"):
        job = f"{env['SLURM_ARRAY_JOB_ID']}_{env['SLURM_ARRAY_TASK_ID']}"
    restarts = env.get("SLURM_RESTART_COUNT", "0")
    again = f"r{restarts}" if restarts not in ("", "0") else ""
    killed = env.get("HPCKIT_WORKER_AGAIN", "")
    again += f"k{killed}" if killed else ""
    return f"{job}{again}-{env.get('SLURMD_NODENAME', '')}"


def node_of(process: psutil.Process) -> str:
    """Return the node on which a process runs."""
    return environ_of(process).get("SLURMD_NODENAME", "")


def await_answer(answer: Callable[[], str], limit_s: float, pause_s: float = 0.25) -> str:
    """Return the first answer that is not empty, ``""`` when none comes in time."""
    deadline = time.monotonic() + limit_s
    while True:
        found = ""
        with contextlib.suppress(RuntimeError, HpckitError):  # Slurm may not answer just now
            found = answer()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(pause_s)
