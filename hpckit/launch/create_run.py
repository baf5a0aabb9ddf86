"""Makes a run directory: all files of a run before its jobs are submitted."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from hpckit.engines.registry import ENGINES
from hpckit.errors import InputError, RunExistsError, StorageError
from hpckit.launch.inputs import MissingInputs, inputs_line
from hpckit.launch.render import Script
from hpckit.model.paths import path_exists
from hpckit.model.plan import Plan
from hpckit.model.task import Task
from hpckit.model.units import counted
from hpckit.protocol.authentication import KEY_FILE
from hpckit.run.rundir import RunDir, write_atomically

_HINT = "Make room, or choose another place with run_root or $HPCKIT_RUNS."


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """The texts that are written into a run directory; each is one JSON document."""

    plan: Plan
    scripts: tuple[Script, ...]
    tasks: Iterable[Task]
    bag: str
    site: str
    provenance: str


@contextmanager
def new_run_dir(plan: Plan) -> Iterator[RunDir]:
    """Make the directory, mode 0700; when the block fails, it is gone again.

    It stays when a job of it is written down, since that may be writing there. The parents
    that were made for it stay only where something is in them.

    Raises:
        RunExistsError: a run of that name exists.
        StorageError: it cannot be made.
    """
    root = Path(plan.run_dir)
    made = _make_parents(root.parent)
    try:
        _make(root, plan.run)
        try:
            yield RunDir(root)
        except BaseException:
            if not RunDir(root).jobs.exists():
                shutil.rmtree(root, ignore_errors=True)
            raise
    except BaseException:
        _remove_empty(made)
        raise


def write_run_dir(run_dir: RunDir, contents: RunFiles) -> MissingInputs:
    """Write everything; the plan comes last, because a directory with a plan is a run.

    Returns the inputs that are not there: something may make them before their tasks begin.

    Raises:
        InputError: the bag has a fault that shows only when its tasks are made, or has not as
            many as the plan says.
        StorageError: a file cannot be written.
    """
    try:
        folders = (run_dir.scripts, run_dir.secrets, run_dir.journal, run_dir.output)
        for folder in (*folders, run_dir.spool, run_dir.logs, run_dir.address.parent):
            folder.mkdir(mode=0o700)
        missing = MissingInputs()
        written = _write_tasks(run_dir, contents.tasks, missing)
    except OSError as error:
        raise StorageError(f"cannot write {run_dir.root}: {error}", hint=_HINT) from error
    if written != contents.plan.tasks:
        raise InputError(
            f"the bag had {counted(contents.plan.tasks, 'task')} when they were counted, and "
            f"{written} when they were written down: what it runs over has changed meanwhile",
            hint="Submit it again when nothing else writes there.",
        )
    for name in (KEY_FILE, ENGINES[contents.plan.backend].secret):
        if name:  # no newline: Work Queue takes a password file's content verbatim
            write_atomically(run_dir.secret(name), secrets.token_hex(32))
    for script in contents.scripts:
        write_atomically(run_dir.script(script.name), script.text, mode=0o700)
    write_atomically(run_dir.bag, contents.bag)
    write_atomically(run_dir.site, contents.site)
    write_atomically(run_dir.provenance, contents.provenance)
    write_atomically(run_dir.plan, contents.plan.to_json())
    return missing


def _write_tasks(run_dir: RunDir, tasks: Iterable[Task], missing: MissingInputs) -> int:
    """Write the tasks, and the marks of their inputs if they have any; return how many tasks."""
    with run_dir.tasks.open("x") as out, run_dir.inputs.open("x") as marks:
        written = _write_lines(tasks, out, marks, missing)
        recorded = marks.tell()
    if not recorded:
        run_dir.inputs.unlink()
    return written


def _write_lines(tasks: Iterable[Task], out: TextIO, marks: TextIO, missing: MissingInputs) -> int:
    """Write one line a task, and one of marks for each that has inputs; return how many tasks."""
    import msgspec

    encoder, written = msgspec.json.Encoder(), 0
    for written, task in enumerate(tasks, 1):  # noqa: B007 - the last is returned
        out.write(encoder.encode(task.to_dict()).decode() + "\n")
        if task.inputs:
            marks.write(inputs_line(task.index, missing.marks(task)))
    return written


def _make_parents(parent: Path) -> list[Path]:
    """Make the missing parents, and return them, the innermost first."""
    missing = [path for path in (parent, *parent.parents) if not path_exists(path)]
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {parent}: {error.strerror}", hint=_HINT) from error
    return missing


def _make(root: Path, run: str) -> None:
    try:
        root.mkdir(mode=0o700)
        root.chmod(0o700)  # whatever the umask
    except FileExistsError as error:
        raise RunExistsError(
            f"there is a run {run!r} already: {root}",
            hint=f"Choose another --name, or remove it: `hpckit rm {run}`.",
        ) from error
    except OSError as error:
        raise StorageError(f"cannot make {root}: {error.strerror}", hint=_HINT) from error


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
