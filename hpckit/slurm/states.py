"""Read the states of jobs, and sort them into waiting, running and ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Phase = Literal["waiting", "running", "ended", "unknown"]

UNKNOWN: Final = "UNKNOWN"

#: Job states by phase. Source: https://slurm.schedmd.com/squeue.html, JOB STATE CODES;
#: sacct(1) adds REQUEUED and RESIZING, which end a record but not the job.
_PHASE: Final[dict[str, Phase]] = {
    "PENDING": "waiting",
    "CONFIGURING": "waiting",
    "REQUEUED": "waiting",
    "REQUEUE_FED": "waiting",
    "REQUEUE_HOLD": "waiting",
    "SPECIAL_EXIT": "waiting",
    "RESV_DEL_HOLD": "waiting",
    "RUNNING": "running",
    "COMPLETING": "running",
    "RESIZING": "running",
    "SIGNALING": "running",
    "STAGE_OUT": "running",
    "STOPPED": "running",
    "SUSPENDED": "running",
    "BOOT_FAIL": "ended",
    "CANCELLED": "ended",
    "COMPLETED": "ended",
    "DEADLINE": "ended",
    "FAILED": "ended",
    "NODE_FAIL": "ended",
    "OUT_OF_MEMORY": "ended",
    "PREEMPTED": "ended",
    "REVOKED": "ended",
    "TIMEOUT": "ended",
    "LAUNCH_FAILED": "ended",
    "RECONFIG_FAIL": "ended",
}

_NO_REASON: Final = frozenset({"", "None", "(null)", "N/A"})


@dataclass(frozen=True, kw_only=True)
class JobState:
    """The state of one job, or of one element of an array, in Slurm.

    Attributes:
        job_id: as squeue prints it, ``57`` or ``57_3``.
        state: the long name in Slurm; ``UNKNOWN`` if Slurm does not know the job, which does
            not mean that it completed.
        reason: Slurm's reason why it waits or why it ended; ``""`` if there is none.
        exit_code: of the batch script; None while it runs, or if unknown.
        signal: the signal that ended the batch script; None as above.
        nodes: the nodes of the job.
        started_at, ended_at: Slurm's local times (``2026-11-21T20:42:40``), ``""`` if none.
            For a running job, `ended_at` is the end of its time limit.
        restarts: how often it was requeued; None if unknown.
    """

    job_id: str
    state: str
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    nodes: tuple[str, ...] = ()
    started_at: str = ""
    ended_at: str = ""
    restarts: int | None = None

    @property
    def phase(self) -> Phase:
        """``waiting``, ``running`` or ``ended``; ``unknown`` for states not listed here."""
        return _PHASE.get(self.state, "unknown")

    @property
    def end_reason(self) -> str:
        """Slurm's reason why it ended: ``TIMEOUT``, ``FAILED (NonZeroExitCode)``."""
        if self.phase != "ended":
            return ""
        if self.reason and self.reason.upper() != self.state and self.state == "FAILED":
            return f"{self.state} ({self.reason})"
        return self.state


def read_state(text: str) -> str:
    """Return the name of a state: sacct also writes ``CANCELLED by 1000`` and ``CANCELLED+``."""
    words = text.split()
    return words[0].rstrip("+").upper() if words else UNKNOWN


def read_reason(text: str) -> str:
    """Return the reason, or ``""`` for the words that mean no reason."""
    word = text.strip()
    return "" if word in _NO_REASON else word


def read_exit(text: str) -> tuple[int | None, int | None]:
    """Return exit code and signal of ``1:0`` or ``0:9``; None if there is none.

    Source: https://slurm.schedmd.com/job_exit_code.html. Signal 0 means no signal; an
    exit code of 0 beside a signal means no exit code.
    """
    code, colon, signal = text.strip().partition(":")
    if not colon or not code.isdigit() or not signal.isdigit():
        return None, None
    if int(signal):
        return None, int(signal)
    return int(code), None


def read_time(text: str) -> str:
    """Return Slurm's local time, or ``""`` for the words that mean no time."""
    word = text.strip()
    return "" if word in ("", "N/A", "Unknown", "None", "NONE", "(null)") else word
