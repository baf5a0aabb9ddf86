"""The effects: actions that the state machine asks for and the daemon carries out in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the tasks of a step on one node."""

    job_id: int
    restart: int
    step_id: str
    node: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Send signals to a step's processes on one node.

    Attributes:
        signals: numbers, sent in order.
        shell_only: only to the batch shell itself, not to what it started.
        group: also to what is in the same process group (``scancel --full``).
        note: a line for the step's stderr, as slurmstepd writes when a job is cancelled.
    """

    job_id: int
    restart: int
    step_id: str
    node: str
    signals: tuple[int, ...]
    shell_only: bool = False
    group: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class KillStep:
    """End all processes of a step on a lost node at once; no report follows."""

    job_id: int
    restart: int
    step_id: str
    node: str


@dataclass(frozen=True, slots=True)
class StepOver:
    """Note that a step has ended."""

    job_id: int
    restart: int
    step_id: str


Effect = Launch | Signal | KillStep | StepOver
