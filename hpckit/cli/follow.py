"""Following a run live: a progress bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Final

from hpckit.cli import say
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import read_snapshot
from hpckit.run.status import FINAL, RunStatus, read_status
from hpckit.spec.units import human_duration

EXIT_CODES: Final = {"done": 0, "failed": 1, "cancelled": 1, "stopped": 3}
_LOOK_S: Final = 0.3  # between two looks at the snapshot
_FIRST_ASK_S: Final = 1.0  # between two questions to the scheduler, at the beginning and ...
_MOST_ASK_S: Final = 30.0  # ... later
_LINE_S: Final = 10.0  # between two lines where there is no terminal


def follow(run_dir: RunDir) -> int:
    """Show the run until it has ended; return the exit code that it stands for."""
    ending = _on_terminal(run_dir) if sys.stderr.isatty() else _by_lines(run_dir)
    counts = ending.counts
    say.note(
        f"{ending.plan.run} is {ending.word}: {counts.done} done, {counts.failed} failed, "
        f"{counts.waiting + counts.running} left, {human_duration(ending.makespan_s)}"
        + (f": {ending.why}" if ending.why else "")
    )
    if counts.failed:
        say.note(f"Why tasks failed: `hpckit failures {ending.plan.run}`")
    return EXIT_CODES[ending.word]


def await_end(run_dir: RunDir, deadline: float = float("inf")) -> RunStatus | None:
    """Wait quietly; return the final status, None when `deadline` (monotonic) came first."""
    watch = _Watch(run_dir)
    while time.monotonic() < deadline:
        if watch.look().word in FINAL:
            return watch.status
        time.sleep(_LOOK_S)
    return None


class _Watch:
    """Looks at the snapshot often, at journal and scheduler seldom."""

    def __init__(self, run_dir: RunDir) -> None:
        self._run_dir = run_dir
        self.status = read_status(run_dir)
        self.counts = self.status.counts
        self._asked_at = time.monotonic()
        self._pause_s = _FIRST_ASK_S

    def look(self) -> RunStatus:
        """Bring `counts` up to date, and `status` when it is time or all tasks seem over."""
        snapshot = read_snapshot(self._run_dir)
        self.counts = snapshot.counts if snapshot else self.counts
        over = self.counts.waiting + self.counts.running == 0
        since = time.monotonic() - self._asked_at
        if since >= (_FIRST_ASK_S if over else self._pause_s):
            self.status = read_status(self._run_dir)
            self._asked_at = time.monotonic()
            self._pause_s = min(self._pause_s * 1.3, _MOST_ASK_S)
        return self.status


def _by_lines(run_dir: RunDir) -> RunStatus:
    watch, said, said_at = _Watch(run_dir), "", 0.0
    while watch.look().word not in FINAL:
        counts, now = watch.counts, time.monotonic()
        line = f"{watch.status.word}: {counts.done} of {watch.status.plan.tasks} done"
        line += f", {counts.failed} failed" if counts.failed else ""
        if line != said and now - said_at >= _LINE_S:
            say.note(line)
            said, said_at = line, now
        time.sleep(_LOOK_S)
    return watch.status


def _on_terminal(run_dir: RunDir) -> RunStatus:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    watch = _Watch(run_dir)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rest]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("waiting", total=watch.status.plan.tasks, rest="")
        while watch.look().word not in FINAL:
            counts = watch.counts
            here = sum(1 for w in watch.status.record.workers.values() if w.left is None)
            rest = f"{counts.running} running, {counts.failed} failed, {here} workers"
            why = watch.status.why if watch.status.word == "waiting" else ""
            progress.update(
                bar,
                completed=counts.done + counts.failed,
                description=watch.status.word,
                rest=why or rest,
            )
            time.sleep(_LOOK_S)
    return watch.status
