"""`hpckit logs`: the logs of a run's jobs, or the output of one task."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hpckit.cli import console
from hpckit.cli.options import Json, Run, TaskIndex
from hpckit.errors import InputError, StorageError

if TYPE_CHECKING:
    from hpckit.run.rundir import RunDir

#: What a terminal shows: of so many files, so much of the end of each.
_SCREEN_FILES: Final = 6
_SCREEN_LINES: Final = 40
_TAIL_BYTES: Final = 64 * 1024
_CHUNK: Final = 1 << 20


def logs(
    run: Run = None,
    task: TaskIndex = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="The task's stderr instead.")] = False,
    as_json: Json = False,
) -> None:
    """Print what the jobs logged, or what one task printed.

    Example: hpckit logs --task 17 --stderr
    """
    from hpckit.run.find_run import find_run

    run_dir = find_run(run)
    if task is not None:
        _task_log(run_dir, task, stderr=stderr, as_json=as_json)
    elif stderr:
        raise InputError(
            "--stderr is that of one task, and none is named", hint="Name it: --task I --stderr"
        )
    else:
        _job_logs(run_dir, as_json=as_json)


def _job_logs(run_dir: RunDir, *, as_json: bool) -> None:
    """Print what the run's jobs logged, the head's last; on a terminal, the end of it.

    Raises:
        StorageError: a log cannot be read.
    """
    try:
        files = _files(run_dir)
        if as_json:
            texts = [{"name": f.name, "text": f.read_text(errors="replace")} for f in files]
            console.document({"schema": "hpckit.logs/1", "run": run_dir.root.name, "logs": texts})
        elif not files:
            name = run_dir.root.name
            console.note(f"no job of {name} has logged anything yet; see `hpckit status {name}`")
        elif console.on_terminal():
            _show_ends(run_dir, files)
        else:
            for file in files:
                console.line(f"==> {file} <==")
                for text in _chunks(file):
                    console.raw(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StorageError(f"cannot read the logs in {run_dir.logs}: {error}") from error


def _files(run_dir: RunDir) -> list[Path]:
    """Return the logs that hold something, oldest first, the heads' behind all others."""
    found = [(path, path.stat()) for path in run_dir.logs.glob("*")]
    kept = [(path, about.st_mtime) for path, about in found if about.st_size]
    heads = ("head-", "allocation-")
    return [p for p, _ in sorted(kept, key=lambda item: (item[0].name.startswith(heads), item[1]))]


def _chunks(file: Path) -> Iterator[str]:
    """Yield a file piece by piece, each ending with a line: it may be larger than memory."""
    with file.open(errors="replace") as stream:
        while text := stream.read(_CHUNK):
            yield text + stream.readline()


def _show_ends(run_dir: RunDir, files: list[Path]) -> None:
    cut = len(files) > _SCREEN_FILES
    for file in files[-_SCREEN_FILES:]:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
        shown = lines[-_SCREEN_LINES:]
        before = len(shown) < len(lines) or size > _TAIL_BYTES
        cut = cut or before
        console.line(f"==> {file} <==" + (" (its end)" if before else ""))
        for text in shown:
            console.line(text)
    if cut:
        name, number = run_dir.root.name, len(files)
        console.note(
            f"The end of the newest of {number} logs; all: `hpckit logs {name} | less`, "
            f"or in {run_dir.logs}"
        )


def _task_log(run_dir: RunDir, index: int, *, stderr: bool, as_json: bool) -> None:
    """Print what a task's last attempt printed.

    Raises:
        InputError: there is no such task, or none of its attempts has come back.
    """
    from hpckit.run.output import Output, OutputReader
    from hpckit.run.status import read_status
    from hpckit.run.tasks import read_task

    found = read_status(run_dir)
    run = found.plan.run
    read_task(run_dir, index, found.plan.tasks)
    attempt = found.run_state.last.get(index)
    if attempt is None:
        raise InputError(
            f"task {index} of {run} has printed nothing yet: no attempt has come back",
            hint=f"See how the run stands with `hpckit status {run}`.",
        )
    with OutputReader(run_dir) as outputs:
        printed = outputs.read(attempt.incarnation, attempt.row.output_at)
    printed = printed or Output(index=index, attempt=attempt.row.attempt)
    if as_json:
        body = {"schema": "hpckit.tasklog/1", "run": run, "index": index}
        said = {"attempt": printed.attempt, "stdout": printed.stdout, "stderr": printed.stderr}
        console.document({**body, **said})
        return
    text, other = printed.stdout, printed.stderr
    name, flag = "stdout", f"it wrote to stderr: hpckit logs {run} --task {index} --stderr"
    if stderr:
        text, other, name, flag = other, text, "stderr", "it wrote to stdout: leave --stderr out"
    console.raw(text)
    if not text:
        console.note(f"task {index} wrote nothing to {name}" + (f"; {flag}" if other else ""))
