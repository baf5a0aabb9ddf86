import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpckit.common import io_retry
from hpckit.errors import StorageError
from hpckit.run.events import NO_OUTPUT, Ended, Returned, Row
from hpckit.run.journal import (
    FencedError,
    JournalWriter,
    load_state,
    open_journal,
    read_events,
    replay,
)
from hpckit.run.rundir import RunDir
from tests.unit.factories import make_run_dir

TASKS = 50


def opened_journal(run_dir: RunDir, **changes: object) -> JournalWriter:
    base = {"run": "r", "nonce": "n", "job_id": "1", "node": "n1", "pid": 1, "t": 1.0}
    return open_journal(run_dir, **{**base, **changes})


def done(index: int) -> Returned:
    row = Row(index, 1, "ok", True, 0, None, 1.0, 0.1, 0.1, 5.0, NO_OUTPUT)
    return Returned(t=2.0 + index, bundle=f"1-{index}", worker="w", rows=[row])


def indices_done(run_dir: RunDir) -> set[int]:
    state = load_state(run_dir, TASKS)
    return {i for i in range(TASKS) if state.status[i] == 1}


def test_appended_events_are_replayed_in_order(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    writer = opened_journal(run_dir)
    writer.append(done(3), done(4))
    writer.append(Ended(t=9.0, state="done"))
    kinds = [type(entry.event).__name__ for entry in replay(run_dir)]
    assert kinds == ["Opened", "Returned", "Returned", "Ended"]


def test_a_torn_last_line_is_ignored_and_the_next_head_fences_it_off(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    opened_journal(run_dir).append(done(1))
    with run_dir.journal_file(1).open("ab") as stream:
        stream.write(b'{"e":"returned","t":1')
    assert indices_done(run_dir) == {1}
    opened_journal(run_dir).append(done(2))
    assert indices_done(run_dir) == {1, 2}


def test_events_of_a_replaced_head_are_ignored(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    old = opened_journal(run_dir)
    old.append(done(1))
    before = run_dir.journal_file(1).read_bytes()
    new = opened_journal(run_dir)
    with pytest.raises(FencedError, match="has taken over"):
        old.append(done(2))
    late = before.splitlines(keepends=True)[-1].replace(b"[[1,", b"[[7,")
    with run_dir.journal_file(1).open("ab") as stream:
        stream.write(late)  # as from a node whose directory cache is old
    new.append(done(3))
    assert indices_done(run_dir) == {1, 3}


def test_a_head_that_died_before_its_first_line_is_ignored(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    opened_journal(run_dir).append(done(1))
    run_dir.journal_file(2).touch()
    assert indices_done(run_dir) == {1}
    third = opened_journal(run_dir)
    assert third.incarnation == 3
    third.append(done(2))
    assert indices_done(run_dir) == {1, 2}


def test_two_heads_started_at_once_get_different_files_and_only_the_newer_counts(
    tmp_path: Path,
) -> None:
    run_dir = make_run_dir(tmp_path)
    opened_journal(run_dir).append(done(0))
    first, second = opened_journal(run_dir), opened_journal(run_dir)
    second.append(done(2))
    with pytest.raises(FencedError):
        first.append(done(1))
    assert indices_done(run_dir) == {0, 2}


def test_cutting_the_journal_anywhere_loses_at_most_its_last_event(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    writer = opened_journal(run_dir)
    for index in range(40):
        writer.append(done(index))
    data = run_dir.journal_file(1).read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(max(0, len(data) - 4096), len(data) + 1):
        events, whole = read_events(data[:cut])
        assert len(events) == sum(end <= cut for end in ends)
        assert whole <= cut


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_random_bytes_never_become_events(noise: bytes, at: int) -> None:
    events, whole = read_events(noise[at:])
    assert whole <= len(noise)
    assert isinstance(events, list)


def test_damage_in_the_middle_of_a_chain_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    opened_journal(run_dir).append(done(1))
    opened_journal(run_dir).append(done(2))
    run_dir.journal_file(1).write_bytes(b"rubbish\n")
    with pytest.raises(StorageError, match=r"0001\.jsonl has lost its first line"):
        list(replay(run_dir))


def with_schema(run_dir: RunDir, number: int, schema: str) -> None:
    """Make a journal of another hpckit, whose first line need not have the same keys."""
    rest = run_dir.journal_file(number).read_bytes().partition(b"\n")[2]
    first = json.dumps({"e": "opened", "schema": schema, "t": 1.0}).encode()
    run_dir.journal_file(number).write_bytes(first + b"\n" + rest)


@pytest.mark.parametrize("number", [1, 2])
def test_a_journal_of_another_schema_is_refused_and_not_taken_for_a_torn_one(
    tmp_path: Path, number: int
) -> None:
    run_dir = make_run_dir(tmp_path)
    opened_journal(run_dir).append(done(1))
    opened_journal(run_dir).append(done(2))
    with_schema(run_dir, number, "hpckit.journal/2")
    with pytest.raises(StorageError) as caught:
        load_state(run_dir, TASKS)
    assert str(caught.value) == (
        f"{run_dir.journal_file(number)} is of the schema 'hpckit.journal/2'; this hpckit reads "
        "hpckit.journal/1\nUse the hpckit that wrote it: "
        f"{run_dir.provenance} tells its version."
    )


def test_a_head_does_not_fence_a_journal_that_it_cannot_read(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    opened_journal(run_dir).append(done(1))
    with_schema(run_dir, 1, "hpckit.journal/2")
    with pytest.raises(StorageError, match=r"0001\.jsonl is of the schema"):
        opened_journal(run_dir)


def test_a_journal_without_a_schema_has_the_first_schema(tmp_path: Path) -> None:
    run_dir = make_run_dir(tmp_path)
    opened_journal(run_dir).append(done(1))
    path = run_dir.journal_file(1)
    path.write_bytes(path.read_bytes().replace(b'"schema":"hpckit.journal/1",', b""))
    assert indices_done(run_dir) == {1}


def test_a_full_disk_leaves_complete_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    run_dir = make_run_dir(tmp_path)
    writer = opened_journal(run_dir)
    writer.append(done(1))
    real = os.write
    calls = []

    def half_then_full(handle: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(handle, bytes(data)[: len(data) // 2])

    monkeypatch.setattr(os, "write", half_then_full)
    with pytest.raises(StorageError, match="No space left"):
        writer.append(done(2))
    monkeypatch.undo()
    writer.append(done(3))
    assert indices_done(run_dir) == {1, 3}


def test_a_missing_file_of_a_chain_is_an_error_and_not_an_empty_run(
    tmp_path: Path,
) -> None:
    run_dir = make_run_dir(tmp_path)
    opened_journal(run_dir).append(done(1))
    opened_journal(run_dir).append(done(2))
    run_dir.journal_file(1).unlink()
    with pytest.raises(StorageError, match=r"0001\.jsonl is missing"):
        indices_done(run_dir)


def test_a_file_server_that_does_not_answer_for_a_while_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = make_run_dir(tmp_path)
    writer = opened_journal(run_dir)
    listdir, fits = os.listdir, [OSError(errno.ESTALE, "Stale file handle")] * 2
    monkeypatch.setattr(io_retry, "_PAUSES_S", (0.0, 0.0, 0.0))

    def stale(path: Path) -> list[str]:
        if fits:
            raise fits.pop()
        return listdir(path)

    monkeypatch.setattr(os, "listdir", stale)
    writer.append(done(1))
    assert indices_done(run_dir) == {1}
    fits += [OSError(errno.ESTALE, "Stale file handle")] * 9
    with pytest.raises(StorageError, match=r"cannot read .*: Stale file handle"):
        writer.append(done(2))
