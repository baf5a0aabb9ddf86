"""``--dependency``: parse it, and compare it with the states of the other jobs.

Source: sbatch(1) ``--dependency``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hpckit.emulator.core.model import COMPLETED, FINAL, Job

KINDS = ("after", "afterany", "afterok", "afternotok", "aftercorr", "afterburstbuffer")
MET, WAITING, NEVER = "met", "waiting", "never"


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``kind:job[_task][+minutes]``."""

    kind: str
    job_id: int = 0
    task_id: int = -1
    delay_min: int = 0

    def text(self) -> str:
        """Return the condition as squeue's ``%E`` writes it."""
        if self.kind == "singleton":
            return "singleton(unfulfilled)"
        task = f"_{self.task_id}" if self.task_id >= 0 else "_*" if self.task_id == -2 else ""
        delay = f"+{self.delay_min}" if self.delay_min else ""
        return f"{self.kind}:{self.job_id}{task}{delay}(unfulfilled)"


def parse(text: str) -> tuple[list[Condition], bool]:
    """Return the conditions, and whether any one is enough (``?`` instead of ``,``).

    Raises:
        ValueError: the text is not a dependency list.
    """
    if not text or text == "(null)":
        return [], False
    is_any = "?" in text
    if is_any and "," in text:
        raise ValueError(text)
    conditions: list[Condition] = []
    for word in text.split("?" if is_any else ","):
        kind, colon, rest = word.partition(":")
        if kind == "singleton" and not colon:
            conditions.append(Condition("singleton"))
            continue
        if kind.isdigit() and not colon:  # a bare number means afterany
            kind, rest = "afterany", kind
        if kind not in KINDS or not rest:
            raise ValueError(text)
        conditions += [_one(kind, piece) for piece in rest.split(":")]
    return conditions, is_any


def _one(kind: str, piece: str) -> Condition:
    body, plus, delay = piece.partition("+")
    job, underscore, task = body.partition("_")
    if not job.isdigit() or (plus and (not delay.isdigit() or kind != "after")):
        raise ValueError(piece)
    task_id = -1
    if underscore:
        if task == "*":
            task_id = -2
        elif task.isdigit():
            task_id = int(task)
        else:
            raise ValueError(piece)
    return Condition(kind, int(job), task_id, int(delay or 0))


def check(
    job: Job, find: Callable[[Condition], list[Job]], others: Iterable[Job], now: float
) -> str:
    """Return `MET`, `WAITING` or `NEVER` for a job's dependency.

    Args:
        job: the job that waits.
        find: returns the jobs that a condition names (all tasks of an array).
        others: all jobs, for ``singleton``.
        now: the time, for ``after:ID+minutes``.
    """
    conditions, is_any = parse(job.dependency)
    if not conditions:
        return MET
    results = [_check_condition(job, c, find, others, now) for c in conditions]
    if is_any:
        if MET in results:
            return MET
        return WAITING if WAITING in results else NEVER
    if NEVER in results:
        return NEVER
    return WAITING if WAITING in results else MET


def _check_condition(
    job: Job,
    condition: Condition,
    find: Callable[[Condition], list[Job]],
    others: Iterable[Job],
    now: float,
) -> str:
    if condition.kind == "singleton":
        return _singleton(job, others)
    found = find(condition)
    if not found:
        return MET  # Slurm no longer lists the job: then the dependency is met
    if condition.kind == "aftercorr" and job.array_task_id >= 0:
        mine = job.array_task_id
        found = [
            one for one in found
            if one.array_task_id == mine or mine in one.waiting or not one.is_array
        ]  # fmt: skip
    results = [_check_job(condition, one, now) for one in found]
    if condition.kind == "afternotok":  # one task of an array that failed is enough
        done = all(one.state in FINAL for one in found)
        failed = any(result == MET for result in results)
        return (MET if failed else NEVER) if done else WAITING
    if NEVER in results:
        return NEVER
    return WAITING if WAITING in results else MET


def _check_job(condition: Condition, other: Job, now: float) -> str:
    over = other.state in FINAL
    if condition.kind == "after":
        began = other.start if other.start is not None else (other.end if over else None)
        if began is None:
            return WAITING
        return MET if now >= began + 60 * condition.delay_min else WAITING
    if not over:
        return WAITING
    if condition.kind in ("afterok", "aftercorr"):
        return MET if other.state == COMPLETED else NEVER
    if condition.kind == "afternotok":
        return MET if other.state != COMPLETED else NEVER
    return MET


def _singleton(job: Job, others: Iterable[Job]) -> str:
    for other in others:
        same = other.request.name == job.request.name and other.request.uid == job.request.uid
        earlier = other.job_id < job.job_id and other.array_job_id != (job.array_job_id or -1)
        if same and earlier and other.state not in FINAL:
            return WAITING
    return MET


def describe(job: Job) -> str:
    """Return squeue's ``%E``: ``afterok:7(unfulfilled)``, or ``(null)``."""
    conditions, is_any = parse(job.dependency)
    return ("?" if is_any else ",").join(c.text() for c in conditions) or "(null)"
