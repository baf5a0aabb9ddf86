"""The events of a journal (``hpckit.journal/1``), one JSON object on each line.

`docs/reference/schemas.md` describes them for other programs. The key ``e`` names
the kind. Times are Unix times in seconds.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hpckit.protocol.result import TaskResult

JOURNAL_SCHEMA: Final = "hpckit.journal/1"
NO_OUTPUT: Final = -1


class Row(msgspec.Struct, array_like=True, frozen=True):
    """The result of one attempt at one task; a JSON array in the file, to keep lines short."""

    index: int
    attempt: int
    kind: str  # "ok" or a kind of failure
    final: bool  # True if no further attempt follows
    exit_code: int | None
    signal: int | None
    started_at: float
    wall_s: float
    cpu_s: float
    max_rss_mib: float
    output_at: int  # byte offset of its record in the incarnation's output file, or NO_OUTPUT
    message: str = ""

    @classmethod
    def of(cls, result: TaskResult, *, final: bool, output_at: int) -> Row:
        """Make the row of a result."""
        return cls(
            result.index,
            result.attempt,
            result.kind,
            final,
            result.exit_code,
            result.signal,
            round(result.started_at, 3),
            round(result.wall_s, 4),
            round(result.cpu_s, 4),
            round(result.max_rss_mib, 1),
            output_at,
            result.message,
        )


class Fence(msgspec.Struct, frozen=True):
    """The part of earlier journals that counts: the first `bytes` of that of `incarnation`.

    Journals between that one and the one with this fence do not count.
    """

    incarnation: int
    bytes: int


class Opened(msgspec.Struct, frozen=True, tag_field="e", tag="opened", kw_only=True):
    """The first line of every journal file: the head that writes it, and the fence before it."""

    schema: str = JOURNAL_SCHEMA
    run: str
    incarnation: int
    nonce: str
    job_id: str
    node: str
    pid: int
    t: float
    after: Fence | None = None
    resume: str = ""  # id of the `hpckit resume` request that this head carries out
    again: list[int] = msgspec.field(default_factory=list)  # finished tasks to run again


class Joined(msgspec.Struct, frozen=True, tag_field="e", tag="joined", kw_only=True):
    """A worker joined."""

    t: float
    worker: str
    job_id: str
    node: str
    cores: int
    memory_mib: int
    ends_at: float = 0.0


class Left(msgspec.Struct, frozen=True, tag_field="e", tag="left", kw_only=True):
    """A worker left; `orderly` if it said so itself."""

    t: float
    worker: str
    orderly: bool
    why: str


class Explained(msgspec.Struct, frozen=True, tag_field="e", tag="explained", kw_only=True):
    """Slurm's reason for a worker that left, such as PREEMPTED or NODE_FAIL."""

    t: float
    worker: str
    reason: str


class Returned(msgspec.Struct, frozen=True, tag_field="e", tag="returned", kw_only=True):
    """A bundle returned; `handed_back` are the tasks that were not started."""

    t: float
    bundle: str
    worker: str
    rows: list[Row]
    handed_back: list[int] = msgspec.field(default_factory=list)
    why: str = ""


class Lost(msgspec.Struct, frozen=True, tag_field="e", tag="lost", kw_only=True):
    """A bundle's worker was lost; `rows` are in its spool, the tasks `indices` run again."""

    t: float
    bundle: str
    worker: str
    why: str
    rows: list[Row] = msgspec.field(default_factory=list)
    indices: list[int] = msgspec.field(default_factory=list)
    suspect: int | None = None  # the running task, which may have killed its worker


class Noted(msgspec.Struct, frozen=True, tag_field="e", tag="noted", kw_only=True):
    """A message for people who ask later, such as why there are no more workers."""

    t: float
    text: str


class Ended(msgspec.Struct, frozen=True, tag_field="e", tag="ended", kw_only=True):
    """The end of the run; the last event of a head."""

    t: float
    state: str  # done, failed (some tasks failed), stopped or cancelled
    why: str = ""


Event = Opened | Joined | Left | Explained | Returned | Lost | Noted | Ended
decode_event = msgspec.json.Decoder(Event).decode
encode_event = msgspec.json.Encoder().encode
