"""The kinds of failure, and what each of them means. Standard library only.

To add a kind: a member here, its meaning below (mypy names every place that forgets one), the
place that finds it out (`hpckit.worker.task.classify_exit`), and docs/reference/bags.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class FailureKind(StrEnum):
    """A way in which an attempt at a task fails, as journals and results name it."""

    ERROR = "error"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    MISSING_OUTPUT = "missing_output"
    NOT_FOUND = "not_found"
    LOST = "lost"
    POISON = "poison"


@dataclass(frozen=True)
class Meaning:
    """The meaning of a kind of failure.

    Attributes:
        description: what happened, for people.
        retry_key: the key in the bag's ``[retries]`` that bounds it; ``""``: it is not tried
            again, or (`LOST`) as often as it takes.
        is_task_fault: True if the task itself is at fault, and not its worker or node.
        is_explained_by_output: True if the task's own output says more than hpckit knows.
    """

    description: str
    retry_key: str
    is_task_fault: bool = True
    is_explained_by_output: bool = False


def meaning(kind: FailureKind) -> Meaning:
    """Return the meaning of a kind of failure."""
    match kind:
        case FailureKind.ERROR:
            return Meaning(
                "it ended with an exit code other than 0", "error", is_explained_by_output=True
            )
        case FailureKind.SIGNAL:
            return Meaning("a signal ended it", "signal", is_explained_by_output=True)
        case FailureKind.TIMEOUT:
            return Meaning("it ran longer than it may", "timeout")
        case FailureKind.MEMORY:
            return Meaning("it ran out of memory", "memory")
        case FailureKind.MISSING_OUTPUT:
            return Meaning("it did not write an output that it declares", "missing_output")
        case FailureKind.NOT_FOUND:
            return Meaning("its program, function or directory does not exist", "")
        case FailureKind.LOST:
            return Meaning("its worker left before it ended", "", is_task_fault=False)
        case FailureKind.POISON:
            return Meaning("several workers died while they ran it", "")
    assert_never(kind)


def is_task_fault(kind: str) -> bool:
    """Return True if a result of this kind is a failure of the task itself."""
    return meaning(FailureKind(kind)).is_task_fault
