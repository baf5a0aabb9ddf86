"""The request of `hpckit resume`: which finished tasks a new head runs again."""

from __future__ import annotations

import msgspec

from hpckit.run.rundir import RunDir
from hpckit.run.state import DONE, FAILED, RunState


class ResumeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of `hpckit resume` (``resume.json``); one head carries it out, once."""

    id: str
    failed: bool = False  # run the failed tasks again
    changed: list[int] = msgspec.field(default_factory=list)  # done tasks whose inputs have changed
    missing: list[int] = msgspec.field(default_factory=list)  # done tasks whose outputs are missing

    @property
    def done(self) -> list[int]:
        """The done tasks that run again."""
        return sorted({*self.changed, *self.missing})

    @property
    def flags(self) -> str:
        """The options of `hpckit resume` that ask for it."""
        return (
            " --failed" * self.failed
            + " --changed" * bool(self.changed)
            + " --missing" * bool(self.missing)
        )


def read_request(run_dir: RunDir, state: RunState) -> ResumeRequest | None:
    """Return the resume request that no head has carried out yet."""
    try:
        request = msgspec.json.decode(run_dir.resume.read_bytes(), type=ResumeRequest)
    except (OSError, msgspec.DecodeError):
        return None
    return None if request.id in state.resumed else request


def tasks_again(request: ResumeRequest | None, state: RunState) -> set[int]:
    """Return the finished tasks that the request runs again."""
    if request is None:
        return set()
    again = {index for index in request.done if state.status[index] == DONE}
    if request.failed:
        again.update(i for i in range(state.tasks) if state.status[i] == FAILED)
    return again
