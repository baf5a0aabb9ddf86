"""Following a run live: a progress bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Final

from hpckit.cli import console
from hpckit.cli.interrupts import run_goes_on
from hpckit.common.backoff import Backoff
from hpckit.model.units import counted, human_duration
from hpckit.report.pace import Pace, measure_pace, rate_words
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import read_snapshot
from hpckit.run.status import FINAL, RunStatus, read_status

EXIT_CODES: Final = {"done": 0, "failed": 1, "cancelled": 1, "stopped": 3}
FOREVER: Final = float("inf")
_LOOK_S: Final = 0.3  # between two looks at the snapshot
_FIRST_ASK_S: Final = 1.0  # between two questions to the scheduler, at the beginning and ...
_MAX_ASK_S: Final = 30.0  # ... later
_BAR_WIDTH: Final = 16
_LINE_S: Final = 10.0  # between two lines where there is no terminal


def follow(run_dir: RunDir, deadline: float = FOREVER) -> int | None:
    """Show the run until it has ended; return the exit code that it stands for.

    Args:
        run_dir: the run's files.
        deadline: in seconds of the monotonic clock; None is returned when it comes first.
    """
    with run_goes_on(run_dir.root.name):
        watch = _Watch(run_dir, deadline)
        if sys.stderr.isatty():
            _on_terminal(watch)
        else:
            _by_lines(watch)
    if watch.status.state not in FINAL:
        return None
    say_ending(watch.status)
    return EXIT_CODES[watch.status.state]


def say_ending(ending: RunStatus) -> None:
    """Say how a run ended, and what to type next."""
    counts, run = ending.counts, ending.plan.run
    rest = counts.waiting + counts.running
    parts = [f"{counts.done} of {ending.plan.tasks} tasks done"]
    parts += [f"{counts.failed} failed"] if counts.failed else []
    parts += [f"{rest} left"] if rest else []
    parts += [human_duration(ending.makespan_s)] if ending.makespan_s else []
    why = "" if ending.state in ending.why else ending.why
    console.note(f"{run} is {ending.state}: {', '.join(parts)}" + (f": {why}" if why else ""))
    if counts.failed:
        console.note(f"Why tasks failed: `hpckit failures {run}`")
    if ending.state == "stopped":
        console.note(
            f"Go on with what is left: `hpckit resume {run}`; look into it: `hpckit logs {run}`"
        )


def await_end(run_dir: RunDir, deadline: float = FOREVER) -> RunStatus:
    """Wait quietly; return the status at the end, or when `deadline` (monotonic) came first."""
    with run_goes_on(run_dir.root.name):
        watch = _Watch(run_dir, deadline)
        while watch.look():
            time.sleep(_LOOK_S)
    return watch.status


class _Watch:
    """Looks at the snapshot often, at journal and scheduler seldom."""

    def __init__(self, run_dir: RunDir, deadline: float) -> None:
        self._run_dir = run_dir
        self._deadline = deadline
        self.status = read_status(run_dir)
        self.counts = self.status.counts
        self.pace = measure_pace(self.status)
        self._asked_at = time.monotonic()
        self._pauses = Backoff(_FIRST_ASK_S, _MAX_ASK_S, factor=1.3)
        self._pause_s = self._pauses.next_s()

    def look(self) -> bool:
        """Bring all up to date that it is time for; return whether to go on looking."""
        snapshot = read_snapshot(self._run_dir)
        self.counts = snapshot.counts if snapshot else self.counts
        over = self.counts.waiting + self.counts.running == 0
        begun = self.status.state == "waiting" and self.counts.running > 0
        now = time.monotonic()
        if now - self._asked_at >= (_FIRST_ASK_S if over or begun else self._pause_s):
            self.status = read_status(self._run_dir)
            self.pace = measure_pace(self.status)
            self._asked_at = time.monotonic()
            self._pause_s = self._pauses.next_s()
        return self.status.state not in FINAL and now < self._deadline

    def words(self) -> str:
        """Return what a line says beside the run's state."""
        if self.status.state == "waiting":
            return self.status.why
        here = sum(1 for worker in self.status.run_state.workers.values() if worker.left is None)
        parts = [f"{self.counts.running} running"]
        parts += [f"{self.counts.failed} failed"] if self.counts.failed else []
        parts += [counted(here, "worker")] if here else []
        parts += _pace_words(self.pace)
        return ", ".join(parts) + (f"; {self.status.why}" if self.status.why else "")


def _pace_words(pace: Pace) -> list[str]:
    left = [f"about {human_duration(pace.left_s)} left"] if pace.left_s else []
    return [rate_words(pace.tasks_per_s), *left] if pace.tasks_per_s else []


def _by_lines(watch: _Watch) -> None:
    said, said_at = "", 0.0
    while watch.look():
        now = time.monotonic()
        line = f"{watch.status.state}: {watch.counts.done} of {watch.status.plan.tasks} done, "
        line += watch.words()
        if line != said and now - said_at >= _LINE_S:
            console.note(line)
            said, said_at = line, now
        time.sleep(_LOOK_S)


def _on_terminal(watch: _Watch) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=_BAR_WIDTH),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}", markup=False),
    )
    console, total = Console(stderr=True), watch.status.plan.tasks
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(watch.status.state, total=total, words="")
        while watch.look():
            counts = watch.counts
            taken = len(watch.status.state) + _BAR_WIDTH + 2 * len(str(total)) + 4
            progress.update(
                bar,
                completed=counts.done + counts.failed,
                description=watch.status.state,
                words=watch.words()[: max(0, console.width - taken - 1)],
            )
            time.sleep(_LOOK_S)
