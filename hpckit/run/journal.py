"""The journal of a run: one head at a time appends to it, everybody may replay it.

Each incarnation of the head creates a file of its own. Its first line fences the incarnation
before it: it names the byte up to which that file counts. So what an old head writes that lost
the network for a while is ignored. The files that count form a chain, which is followed from the
newest file backwards. An incomplete line is ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from hpckit.common.io_retry import retry_io
from hpckit.errors import StorageError
from hpckit.run.events import (
    JOURNAL_SCHEMA,
    Event,
    Fence,
    Opened,
    decode_event,
    encode_event,
)
from hpckit.run.rundir import RunDir
from hpckit.run.state import RunState

_NAME = re.compile(r"(\d{4,})\.jsonl")


class FencedError(StorageError):
    """A newer head has taken over the run; what this one writes no longer counts."""


class _First(msgspec.Struct):
    """The part of a first line that is checked before anything else: the schema."""

    schema: str = JOURNAL_SCHEMA


@dataclass(frozen=True)
class Entry:
    """One event, with the incarnation that wrote it."""

    incarnation: int
    event: Event


def incarnations(run_dir: RunDir) -> list[int]:
    """Return the numbers of the journal files that exist, in ascending order.

    Raises:
        StorageError: the directory cannot be read, even after some seconds.
    """
    names = retry_io(lambda: _listed(run_dir), f"read {run_dir.journal}")
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def _listed(run_dir: RunDir) -> list[str]:
    try:
        return os.listdir(run_dir.journal)  # noqa: PTH208 - a listing refreshes NFS caches
    except FileNotFoundError:
        return []


def read_events(data: bytes) -> tuple[list[Event], int]:
    """Return the complete events at the beginning of `data`, and their length in bytes.

    Reading ends at the first line that is incomplete or no event: what follows is not reliable.
    """
    events: list[Event] = []
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        try:
            events.append(decode_event(data[at:end]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            break
        at = end + 1
    return events, at


def chain(run_dir: RunDir) -> list[tuple[int, int | None]]:
    """Return the incarnations that count, oldest first, each with its number of bytes.

    None means all complete lines; only the newest incarnation has it.

    Raises:
        StorageError: a file has another schema, or a file of the chain is damaged.
    """
    links: list[tuple[int, int | None]] = []
    limit: int | None = None
    wanted: int | None = None
    for number in reversed(incarnations(run_dir)):
        if wanted is not None and number != wanted:
            continue
        header = _header(run_dir, number)
        if header is None:
            if wanted is not None:
                raise StorageError(
                    f"{run_dir.journal_file(number)} has lost its first line, which a later "
                    "journal relies on",
                    hint="Restore the file from a backup, or start the run again.",
                )
            continue  # its head died before it wrote the first line
        links.append((number, limit))
        if header.after is None:
            return links[::-1]
        wanted, limit = header.after.incarnation, header.after.bytes
    if wanted is not None:
        raise StorageError(
            f"{run_dir.journal_file(wanted)} is missing, which a later journal relies on",
            hint="Restore the file from a backup, or start the run again.",
        )
    return []


def _header(run_dir: RunDir, number: int) -> Opened | None:
    """Return a file's first line; None if it is incomplete or something else.

    Raises:
        StorageError: it has another schema; ignoring the file would lose its results.
    """
    path = run_dir.journal_file(number)
    with path.open("rb") as stream:
        line = stream.readline()
    try:
        schema = msgspec.json.decode(line, type=_First).schema
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if schema != JOURNAL_SCHEMA:
        raise StorageError(
            f"{path} is of the schema {schema!r}; this hpckit reads {JOURNAL_SCHEMA}",
            hint=f"Use the hpckit that wrote it: {run_dir.provenance} tells its version.",
        )
    events, _ = read_events(line)
    return events[0] if events and isinstance(events[0], Opened) else None


def replay(run_dir: RunDir) -> Iterator[Entry]:
    """Yield every event that counts, in order.

    Raises:
        StorageError: the journal cannot be read, has another schema, or a file of its chain is
            damaged.
    """
    try:
        for number, limit in chain(run_dir):
            data = run_dir.journal_file(number).read_bytes()
            events, _ = read_events(data if limit is None else data[:limit])
            for event in events:
                yield Entry(number, event)
    except OSError as error:
        raise StorageError(f"cannot read {run_dir.journal}: {error}") from error


def load_state(run_dir: RunDir, tasks: int) -> RunState:
    """Replay the journal of a run of `tasks` tasks; return its state.

    Raises:
        StorageError: the journal cannot be read, has another schema, or a file of its chain is
            damaged.
    """
    state = RunState(tasks)
    for entry in replay(run_dir):
        state.apply(entry.event, entry.incarnation)
    return state


class JournalWriter:
    """The journal of one head incarnation; `open_journal` makes it."""

    def __init__(self, run_dir: RunDir, incarnation: int, handle: int) -> None:
        self.run_dir = run_dir
        self.incarnation = incarnation
        self._handle = handle

    def check_fence(self) -> None:
        """Check that this is still the newest head.

        Raises:
            FencedError: a newer head has taken over.
            StorageError: the directory cannot be read.
        """
        newest = incarnations(self.run_dir)[-1:]
        if newest != [self.incarnation]:
            raise FencedError(
                f"head {self.incarnation} of {self.run_dir.root.name} is fenced: "
                f"incarnation {newest} has taken over"
            )

    def append(self, *events: Event) -> None:
        """Write events and sync them to the disk together.

        Raises:
            FencedError: a newer head has taken over; nothing was written.
            StorageError: they could not be written; the file is cut back to complete lines.
        """
        self.check_fence()
        lines = b"".join(encode_event(event) + b"\n" for event in events)
        start = os.lseek(self._handle, 0, os.SEEK_END)
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._handle, view) :]
            os.fdatasync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, start)
            raise StorageError(
                f"cannot append to {self.run_dir.journal_file(self.incarnation)}: {error.strerror}",
                hint="Make room, then `hpckit resume` goes on from here.",
            ) from error

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def open_journal(run_dir: RunDir, **opened: Any) -> JournalWriter:
    """Create the next incarnation's journal, fence its predecessor, and write the first line.

    Args:
        opened: the fields of `Opened` except `incarnation` and `after`.

    Raises:
        StorageError: the journal directory cannot be written, or an earlier journal has another
            schema.
    """
    try:
        number = max(incarnations(run_dir), default=0)
        while True:
            number += 1
            try:
                handle = os.open(
                    run_dir.journal_file(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600
                )
                break
            except FileExistsError:
                continue
        writer = JournalWriter(run_dir, number, handle)
        writer.append(Opened(incarnation=number, after=_fence_before(run_dir, number), **opened))
    except OSError as error:
        raise StorageError(
            f"cannot create a journal in {run_dir.journal}: {error.strerror}",
            hint="The run directory must be writable from the head's node.",
        ) from error
    return writer


def _fence_before(run_dir: RunDir, number: int) -> Fence | None:
    for earlier in reversed(incarnations(run_dir)):
        if earlier < number and _header(run_dir, earlier) is not None:
            _, whole = read_events(run_dir.journal_file(earlier).read_bytes())
            return Fence(earlier, whole)
    return None
