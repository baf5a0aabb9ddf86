"""The output of the tasks: one file for each head incarnation.

A record is one JSON line; the journal's row of the attempt has its byte offset. The record is
written before the row, so that every offset is valid.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

import msgspec

from hpckit.errors import StorageError
from hpckit.protocol.result import TaskResult
from hpckit.run.events import NO_OUTPUT
from hpckit.run.rundir import RunDir


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The captured output of one attempt."""

    index: int
    attempt: int
    stdout: str = ""
    stderr: str = ""
    value: dict[str, Any] | None = None


class OutputWriter:
    """Appends records to the file of one incarnation."""

    def __init__(self, run_dir: RunDir, incarnation: int) -> None:
        run_dir.output.mkdir(exist_ok=True)
        path = run_dir.output_file(incarnation)
        self._handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._path = path
        self._at = self._synced = os.fstat(self._handle).st_size

    def append(self, result: TaskResult) -> int:
        """Store the output of an attempt; return its offset, NO_OUTPUT if there was none.

        Raises:
            StorageError: it could not be written.
        """
        if not (result.stdout or result.stderr or result.value is not None):
            return NO_OUTPUT
        record = Output(
            index=result.index,
            attempt=result.attempt,
            stdout=result.stdout,
            stderr=result.stderr,
            value=_as_json(result.value),
        )
        line = memoryview(msgspec.json.encode(record) + b"\n")
        at = self._at
        try:
            while line:
                written = os.write(self._handle, line)
                self._at += written
                line = line[written:]
        except OSError as error:
            os.ftruncate(self._handle, at)
            self._at = at
            raise StorageError(
                f"cannot append to {self._path}: {error.strerror}",
                hint="Make room, then `hpckit resume` goes on from here.",
            ) from error
        return at

    def sync(self) -> None:
        """Sync what was appended since the last time to the disk.

        Raises:
            StorageError: it could not be written.
        """
        if self._synced == self._at:
            return
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error
        self._synced = self._at

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _as_json(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Replace numbers that JSON does not have by texts: ``"Infinity"``, ``"NaN"``.

    Many programs print such numbers in JSON, and Python reads them; msgspec would write null.
    """
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        found: dict[str, Any] = json.loads(json.dumps(value), parse_constant=str)
        return found
    return value


class OutputReader(AbstractContextManager["OutputReader"]):
    """Reads records; it opens each file only once, because that is slow over a network."""

    def __init__(self, run_dir: RunDir) -> None:
        self._run_dir = run_dir
        self._files: dict[int, BinaryIO] = {}  # by incarnation

    def read(self, incarnation: int, at: int) -> Output | None:
        """Return the record at offset `at`; None if there is none or it is damaged."""
        if at == NO_OUTPUT:
            return None
        try:
            if incarnation not in self._files:
                self._files[incarnation] = self._run_dir.output_file(incarnation).open("rb")
            stream = self._files[incarnation]
            stream.seek(at)
            return msgspec.json.decode(stream.readline(), type=Output)
        except (OSError, msgspec.DecodeError):
            return None

    def __exit__(self, *_: object) -> None:
        for stream in self._files.values():
            stream.close()
