"""Ask Slurm for the reasons why workers left.

Slurm knows a moment later, or minutes later when a node died. It is asked by one batched
question in a thread of its own, so that a slow controller does not hold up the loop; seldom,
with growing and jittered pauses, and only while a reason is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hpckit.head.poller import Poller
from hpckit.model.worker import WorkerInfo
from hpckit.run.events import Joined
from hpckit.slurm.jobs import job_history
from hpckit.slurm.scontrol import show_nodes
from hpckit.slurm.states import UNKNOWN, JobState

FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 60.0
#: Not Slurm's word, which has none: the job goes on, and another process is its worker there.
KILLED: Final = "KILLED"
GIVE_UP_S: Final = 900.0  # longer than any SlurmdTimeout: then the reason stays unknown

History = Mapping[str, tuple[JobState, ...]]
Ask = Callable[[list[str], list[str]], tuple[History, set[str]]]


@dataclass(frozen=True)
class Gone:
    """A worker that left, and whose reason is not known yet."""

    worker: str
    job_id: str
    node: str
    joined_at: float  # Unix time, seconds: tells which life of a requeued job it was
    at: float  # monotonic, seconds


class ExitReasons:
    """Collects workers that left, and returns the reasons when Slurm has given them.

    Args:
        ask: job ids and nodes → the lives of the jobs, and which of the nodes are down.
        clock: monotonic, seconds.
    """

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._gone: list[Gone] = []
        self._replaced: list[Gone] = []
        self._slurm: Poller[tuple[History, set[str]]] = Poller(
            first_pause_s=FIRST_PAUSE_S,
            longest_pause_s=LONGEST_PAUSE_S,
            clock=clock,
            about="how workers ended",
        )

    def worker_left(self, joined: Joined) -> None:
        """Note that a worker left."""
        if joined.job_id:
            gone = Gone(joined.worker, joined.job_id, joined.node, joined.t, self._clock())
            self._gone.append(gone)
            self._slurm.poll_soon()

    def worker_joined(self, worker: WorkerInfo) -> None:
        """Note that a worker joined: one that was started again tells how the one before it
        ended."""
        if not worker.again:
            return
        place = (worker.job_id, worker.node)
        self._replaced += [g for g in self._gone if (g.job_id, g.node) == place]
        self._gone = [g for g in self._gone if (g.job_id, g.node) != place]

    def poll(self) -> list[tuple[str, str]]:
        """Return workers and the reasons that have become known; never waits."""
        answer = self._slurm.take()
        found = [(gone.worker, KILLED) for gone in self._replaced]
        self._replaced.clear()
        found += self._settle(*(answer or ({}, set())))
        if self._gone and self._slurm.due:
            ids = sorted({gone.job_id for gone in self._gone})
            nodes = sorted({gone.node for gone in self._gone})
            self._slurm.ask(lambda: self._ask(ids, nodes))
        return found

    def close(self) -> None:
        """Ask no more."""
        self._slurm.close()

    def _settle(self, history: History, down: set[str]) -> list[tuple[str, str]]:
        found = []
        for gone in list(self._gone):
            reason = _reason(gone, history, down)
            if not reason and self._clock() - gone.at > GIVE_UP_S:
                reason = UNKNOWN
            if reason:
                self._gone.remove(gone)
                found.append((gone.worker, reason))
        return found


def ask_slurm(slurm_bin: str) -> Ask:
    """Return how to ask the Slurm whose commands lie in `slurm_bin`."""

    def ask(job_ids: list[str], nodes: list[str]) -> tuple[History, set[str]]:
        found = show_nodes(",".join(nodes), slurm_bin=slurm_bin)
        down = {node.name for node in found if _is_down(node.state)}
        return job_history(job_ids, slurm_bin=slurm_bin), down

    return ask


def _reason(gone: Gone, history: History, down: set[str]) -> str:
    """Return the state in which the life of the job ended that the worker was of."""
    for life in history.get(gone.job_id, ()):
        if life.phase == "ended" and _unix(life.ended_at) >= gone.joined_at - 1:
            return life.state
    return "NODE_FAIL" if gone.node in down else ""


def _unix(local: str) -> float:
    """Return the Unix time of Slurm's local ``2026-11-21T20:42:40``; infinite when not told."""
    try:
        return time.mktime(time.strptime(local, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return float("inf")


def _is_down(state: str) -> bool:
    words = {end_state.strip("*~#!%$@^-") for end_state in state.upper().split("+")}
    return bool(words & {"DOWN", "NOT_RESPONDING", "FAIL", "FAILING"}) or "*" in state
