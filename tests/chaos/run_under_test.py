"""The run of a round: its processes, jobs and events, which faults hit and tests read."""

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
from tests.chaos import journal_reader
from tests.chaos.cluster import ChaosCluster
from tests.support.slurm_site import environ_of, processes_of

ENGINE_PROGRAM = {"ray": "raylet", "workqueue": "work_queue_worker"}


@dataclass(frozen=True)
class InjectedFault:
    """A fault that was injected.

    Attributes:
        what: a description with the ids that it hit.
        evidence: returns what proves that it took effect, ``""`` while nothing does.
        mend: undoes it after it has taken effect, or after the time for that is over.
    """

    what: str
    evidence: Callable[[], str]
    mend: Callable[[], None] = lambda: None


class NoTarget(Exception):
    """The target that a fault needs does not exist now."""


@dataclass
class RunUnderTest:
    """The run of one round."""

    cluster: ChaosCluster
    root: Path
    name: str
    backend: str
    shape: str
    rng: random.Random

    @property
    def run_dir(self) -> Path:
        return self.cluster.runs / self.name

    def jobs(self, *roles: str) -> list[str]:
        """Return the ids of the run's jobs with one of these roles, oldest first."""
        lines = (self.run_dir / "jobs.jsonl").read_text().splitlines()
        return [job["job_id"] for job in map(json.loads, lines) if job["role"] in roles]

    def head_job(self) -> str:
        return self.jobs("head", "allocation")[-1]

    def incarnations(self) -> int:
        return len(journal_reader.events_of_kind(self.run_dir, "opened"))

    def main_loop_process(self) -> psutil.Process:
        """Return the process of the newest head's main loop."""
        return self._one("hpckit.head.main_loop")

    def supervisor_process(self) -> psutil.Process:
        return self._one("hpckit.head")

    def worker_process(self) -> psutil.Process:
        """Return the process of a random worker that has joined the newest head.

        A worker that was cancelled while no head ran has no "left" event.
        """
        since = journal_reader.events_of_kind(self.run_dir, "opened")[-1]["t"]
        joined = journal_reader.events_of_kind(self.run_dir, "joined")
        here = {e["worker"] for e in joined if e["t"] >= since}
        here -= {e["worker"] for e in journal_reader.events_of_kind(self.run_dir, "left")}
        found = [p for p in self._all("hpckit.worker") if worker_of(p) in here]
        if not found:
            raise NoTarget("no worker has joined")
        return self.rng.choice(found)

    def engine_process(self) -> psutil.Process:
        """Return the process of the engine's own worker program on a random worker."""
        program = ENGINE_PROGRAM[self.backend]
        found = []
        for process in self._all("hpckit.worker"):
            with contextlib.suppress(psutil.Error):
                below = process.children(recursive=True)
                found += [p for p in below if p.name() == program[:15] or p.name() == program]
        if not found:
            raise NoTarget(f"no {program} runs")
        return self.rng.choice(found)

    def leave_event(self, worker: str, since: float) -> str:
        """Return the journal's event that a worker left, ``""`` if there is none."""
        for event in journal_reader.events_of_kind(self.run_dir, "left"):
            if event["worker"] == worker and event["t"] >= since:
                return (
                    f"journal: left, {'in order' if event['orderly'] else 'lost'}: {event['why']}"
                )
        return ""

    def newer_head(self, before: int) -> str:
        """Return the journal's event that a newer head started, ``""`` if there is none."""
        now = self.incarnations()
        return f"journal: opened, incarnation {now}" if now > before else ""

    def ended_as(self, job: str, *states: str) -> str:
        """Return sacct's line of a job, or an element of it, that ended in one of `states`."""
        return next(iter(self.all_ended_as(job, *states)), "")

    def all_ended_as(self, job: str, *states: str) -> list[str]:
        """Return all such lines: a job that was requeued has several."""
        return [
            f"sacct: {job_id} {state} {code}"
            for job_id, state, code in self.cluster.job_incarnations()
            if (job_id == job or job_id.startswith(f"{job}_")) and state in states
        ]

    def logged(self, words: str) -> int:
        """Return how often a text occurs in the logs of the run's jobs."""
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
    """Return the name of a process's worker, as hpckit.common.slurm_env forms it."""
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
    """Return the first answer that is not empty, ``""`` if none comes in time."""
    deadline = time.monotonic() + limit_s
    while True:
        found = ""
        with contextlib.suppress(RuntimeError, HpckitError):  # Slurm may not answer just now
            found = answer()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(pause_s)
