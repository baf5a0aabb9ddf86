"""A bag through hpckit: submitted as a user does, followed by its journal, accounted for."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hpckit.bench.measure.cluster import Place, hpckit
from hpckit.bench.measure.loopback import received
from hpckit.bench.measure.memory import Memory, roles_of_run
from hpckit.bench.measure.preemptions import Reclaims
from hpckit.bench.measure.sample import Case, Losses, Ran
from hpckit.bench.measure.wasted_work import account
from hpckit.bench.measure.workload import Load, digest, laid_out, read_starts
from hpckit.engines.registry import ENGINES
from hpckit.errors import EngineError, HpckitError
from hpckit.run.events import Lost, Returned, Row
from hpckit.run.jobs import read_jobs
from hpckit.run.journal import load_state, replay
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import read_snapshot
from hpckit.run.state import RunState
from hpckit.run.status import FINAL, read_status
from hpckit.slurm.jobs import job_history, job_states
from hpckit.slurm.sbatch import scancel

_LOOK_S: Final = 0.1
_LOOK_REAL_S: Final = 1.0  # other people use a real controller
_ASK_S: Final = 5.0  # between two questions to the scheduler, which the journal mostly answers
_LONGEST_S: Final = 900.0
_LEAVE_S: Final = 30.0
_WALLTIME: Final = "30m"
#: How Slurm calls a job that was taken back. TIMEOUT is the end of its grace time, where the job
#: that wanted its node found room there before (ran: 22.05); no run is as long as the walltime.
_TAKEN: Final = ("PREEMPTED", "TIMEOUT")
_JOINED: Final = frozenset(name for name, facts in ENGINES.items() if facts.joins)


@dataclass(frozen=True, kw_only=True)
class Through:
    """How to submit.

    Attributes:
        place: where.
        name: of the run.
        partition: of the workers; "" for the site's.
        reclaims: takes its workers back while it runs.
    """

    place: Place
    name: str
    partition: str = ""
    reclaims: Reclaims | None = None


def run(how: Through, case: Case, load: Load) -> Ran:
    """Run the bag to its end, and return what was measured.

    Raises:
        HpckitError: it cannot be submitted, or does not end.
    """
    directory = laid_out(how.place.root / how.name)
    bag = directory / "bag.toml"
    bag.write_text(load.bag(directory))
    before, began = received(), time.time()
    run_dir: RunDir | None = None
    try:
        answer = hpckit(_words(how, case, bag), how.place.env, directory)
        run_dir = RunDir(Path(answer["plan"]["run_dir"]))
        with Memory(roles_of_run(str(run_dir.root))) as memory:
            _follow(run_dir, load.tasks, how.reclaims)
        moved = received() - before if how.place.kind == "emulated" else None
        _let_jobs_leave(run_dir, how.place)
    except BaseException:
        _end(how, run_dir)
        raise
    finally:
        if how.reclaims:
            how.reclaims.stop()
    ran = _ran(run_dir, load, directory, began=began, memory=memory, moved=moved)
    for path in (directory, run_dir.root):
        shutil.rmtree(path, ignore_errors=True)
    return ran


def _words(how: Through, case: Case, bag: Path) -> list[str]:
    words = ["submit", str(bag), "--json", "--backend", case.engine, "--name", how.name]
    words += ["--walltime", _WALLTIME]
    if case.engine in _JOINED:
        words += ["--shape", "array", "--nodes", str(case.workers), "--cores", str(case.cpus)]
    else:
        words += ["--cores", str(case.workers * case.cpus)]
    if how.place.site:
        words += ["--site", how.place.site]
    if how.partition:
        words += ["--worker-partition", how.partition]
    return words


def _follow(run_dir: RunDir, tasks: int, reclaims: Reclaims | None) -> None:
    """Return when the run has ended. It may wait in the queue for as long as that takes.

    Nothing is reclaimed that only shuts down.

    Raises:
        EngineError: it stopped without an end, or takes too long once it has begun.
    """
    ask_at = time.monotonic() + _ASK_S
    deadline = float("inf")
    while True:
        snapshot = read_snapshot(run_dir)
        counts = snapshot.counts if snapshot else None
        if reclaims:
            reclaims.look(run_dir, bool(counts and counts.running))
        if counts and counts.waiting + counts.running == 0 and load_state(run_dir, tasks).ended:
            if reclaims:
                reclaims.rest()
            return
        now = time.monotonic()
        if now >= ask_at:
            ask_at = now + _ASK_S
            found = read_status(run_dir)
            if found.word in ("done", "failed"):
                return
            if found.word != "waiting":
                deadline = min(deadline, now + _LONGEST_S)
            if found.word in FINAL or now > deadline:
                raise EngineError(
                    f"run {run_dir.root.name} is {found.word} after {found.makespan_s:.0f} s, "
                    f"with {found.counts.done} of {tasks} tasks done: {found.why}",
                    hint=f"Its logs are in {run_dir.logs}.",
                )
        time.sleep(_LOOK_S)


def _let_jobs_leave(run_dir: RunDir, place: Place) -> None:
    """Wait until no job of the run is left, so that the next finds the nodes free.

    A worker that was reclaimed at the very end is requeued, and has nothing to come back for.
    """
    deadline = time.monotonic() + _LEAVE_S
    pause_s = _LOOK_S if place.kind == "emulated" else _LOOK_REAL_S
    ids = [job.job_id for job in read_jobs(run_dir)]
    while True:
        states = job_states(ids, slurm_bin=place.slurm_bin).values()
        waiting = [state.job_id for state in states if state.phase == "waiting"]
        running = [state.job_id for state in states if state.phase == "running"]
        if not (waiting or running):
            return
        late = time.monotonic() > deadline
        if waiting or late:
            scancel([*waiting, *(running if late else ())], slurm_bin=place.slurm_bin)
        if time.monotonic() > deadline + _LEAVE_S:
            return
        time.sleep(pause_s)


def _end(how: Through, run_dir: RunDir | None) -> None:
    """End what an interrupted or failed run has left; an emulated cluster goes as a whole.

    The run directory stays, for whoever wants to know what failed.
    """
    if how.place.kind == "slurm":
        with contextlib.suppress(HpckitError):
            hpckit(["cancel", how.name, "--json"], how.place.env, how.place.root)
            if run_dir is not None:
                _let_jobs_leave(run_dir, how.place)


def _ran(
    run_dir: RunDir, load: Load, directory: Path, *, began: float, memory: Memory, moved: int | None
) -> Ran:
    state = load_state(run_dir, load.tasks)
    rows = list(_rows(run_dir))
    good = [row for _, row, _ in rows if row.kind == "ok"]
    if not good:
        raise EngineError(f"no task of run {run_dir.root.name} ended well")
    return Ran(
        began=began,
        first_start=min(row.started_at for _, row, _ in rows),
        last_end=max(row.started_at + row.wall_s for row in good),
        known=max(t for t, _, _ in rows),
        done=state.done,
        mean_task_s=statistics.mean(row.wall_s for row in good),
        digest=digest(load, directory),
        head_mib=memory.head_mib,
        worker_mib=memory.worker_mib,
        moved=moved,
        losses=_losses(run_dir, load, directory, state),
        workers=_timeline(state, rows, began),
    )


def _rows(run_dir: RunDir) -> Iterable[tuple[float, Row, str]]:
    """Yield when a result was written down, the result, and its worker."""
    for entry in replay(run_dir):
        event = entry.event
        if isinstance(event, Returned | Lost):
            for row in event.rows:
                yield event.t, row, event.worker


def _losses(run_dir: RunDir, load: Load, directory: Path, state: RunState) -> Losses:
    if not load.witnessed:
        return Losses(tasks_lost=load.tasks - state.done, recorded_twice=state.duplicates)
    ids = [job.job_id for job in read_jobs(run_dir) if job.role == "workers"]
    lives = job_history(ids, slurm_bin=run_dir.read_plan().slurm_bin)
    taken = [life for history in lives.values() for life in history if life.state in _TAKEN]
    redone, wasted_s = account(list(read_starts(directory)), state, load.seed)
    return Losses(
        reclaimed=len(taken),
        tasks_lost=load.tasks - state.done,
        recorded_twice=state.duplicates,
        redone=redone,
        wasted_core_s=wasted_s,
    )


def _timeline(
    state: RunState, rows: Iterable[tuple[float, Row, str]], began: float
) -> list[dict[str, Any]]:
    """Return when each worker was there, and its tasks; seconds since the submission."""
    tasks: dict[str, list[list[Any]]] = {}
    for _, row, worker in rows:
        entry = [round(row.started_at - began, 3), round(row.wall_s, 3), row.kind]
        tasks.setdefault(worker, []).append(entry)
    return [
        {
            "name": name,
            "start_s": round(record.joined.t - began, 3),
            "end_s": round((record.left.t if record.left else state.last_at) - began, 3),
            "state": record.reason or ("COMPLETED" if record.left is None else "LEFT"),
            "tasks": sorted(tasks.get(name, [])),
        }
        for name, record in state.workers.items()
    ]
