"""One run of a bag with hpckit: submitted as a user would, followed through its journal."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hpckit.bench.measure.cluster import BenchCluster, call_hpckit
from hpckit.bench.measure.loopback import bytes_received
from hpckit.bench.measure.memory import MemoryWatcher, roles_of_run
from hpckit.bench.measure.preemptions import Preempter
from hpckit.bench.measure.sample import Case, Losses, RunResult
from hpckit.bench.measure.wasted_work import count_wasted_work
from hpckit.bench.measure.workload import Workload, digest_outputs, make_directories, read_starts
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

_POLL_S: Final = 0.1
_POLL_REAL_S: Final = 1.0  # other people use a real controller, too
_STATUS_EVERY_S: Final = (
    5.0  # between two questions to the scheduler; the journal answers most of them
)
_MAX_RUN_S: Final = 900.0
_JOBS_END_S: Final = 30.0
_WALLTIME: Final = "30m"
#: States of reclaimed jobs. TIMEOUT is the end of a job's grace time, if the preempting job found
#: free CPUs on the node before it (ran: 22.05). No run is as long as the walltime.
_PREEMPTED_STATES: Final = ("PREEMPTED", "TIMEOUT")
_ENGINES_WITH_WORKERS: Final = frozenset(name for name, facts in ENGINES.items() if facts.joins)


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One run to submit.

    Attributes:
        cluster: the Slurm to submit to.
        name: of the run.
        partition: of the workers; "" for the default of the site.
        preempter: reclaims its workers while it runs.
    """

    cluster: BenchCluster
    name: str
    partition: str = ""
    preempter: Preempter | None = None


def run(request: RunRequest, case: Case, workload: Workload) -> RunResult:
    """Run the bag to its end, and return what was measured.

    Raises:
        HpckitError: it cannot be submitted, or does not end.
    """
    directory = make_directories(request.cluster.root / request.name)
    bag = directory / "bag.toml"
    bag.write_text(workload.bag(directory))
    before, started_at = bytes_received(), time.time()
    run_dir: RunDir | None = None
    try:
        answer = call_hpckit(_submit_command(request, case, bag), request.cluster.env, directory)
        run_dir = RunDir(Path(answer["plan"]["run_dir"]))
        with MemoryWatcher(roles_of_run(str(run_dir.root))) as memory:
            _follow(run_dir, workload.tasks, request.preempter)
        bytes_moved = bytes_received() - before if request.cluster.kind == "emulated" else None
        _wait_for_jobs_to_end(run_dir, request.cluster)
    except BaseException:
        _cancel(request, run_dir)
        raise
    finally:
        if request.preempter:
            request.preempter.close()
    result = _make_result(
        run_dir, workload, directory, started_at=started_at, memory=memory, bytes_moved=bytes_moved
    )
    for path in (directory, run_dir.root):
        shutil.rmtree(path, ignore_errors=True)
    return result


def _submit_command(request: RunRequest, case: Case, bag: Path) -> list[str]:
    words = ["submit", str(bag), "--json", "--backend", case.engine, "--name", request.name]
    words += ["--walltime", _WALLTIME]
    if case.engine in _ENGINES_WITH_WORKERS:
        words += ["--shape", "array", "--nodes", str(case.workers), "--cores", str(case.cpus)]
    else:
        words += ["--cores", str(case.workers * case.cpus)]
    if request.cluster.site:
        words += ["--site", request.cluster.site]
    if request.partition:
        words += ["--worker-partition", request.partition]
    return words


def _follow(run_dir: RunDir, tasks: int, preempter: Preempter | None) -> None:
    """Return when the run has ended. It may wait in the queue without a limit.

    Workers that only shut down are not reclaimed.

    Raises:
        EngineError: it stopped before its end, or takes too long after it has begun.
    """
    ask_at = time.monotonic() + _STATUS_EVERY_S
    deadline = float("inf")
    while True:
        snapshot = read_snapshot(run_dir)
        counts = snapshot.counts if snapshot else None
        if preempter:
            preempter.poll(run_dir, bool(counts and counts.running))
        if counts and counts.waiting + counts.running == 0 and load_state(run_dir, tasks).ended:
            if preempter:
                preempter.stop()
            return
        now = time.monotonic()
        if now >= ask_at:
            ask_at = now + _STATUS_EVERY_S
            found = read_status(run_dir)
            if found.state in ("done", "failed"):
                return
            if found.state != "waiting":
                deadline = min(deadline, now + _MAX_RUN_S)
            if found.state in FINAL or now > deadline:
                raise EngineError(
                    f"run {run_dir.root.name} is {found.state} after {found.makespan_s:.0f} s, "
                    f"with {found.counts.done} of {tasks} tasks done: {found.why}",
                    hint=f"Its logs are in {run_dir.logs}.",
                )
        time.sleep(_POLL_S)


def _wait_for_jobs_to_end(run_dir: RunDir, cluster: BenchCluster) -> None:
    """Wait until all jobs of the run have ended, so that the nodes are free for the next run.

    A worker that was reclaimed at the very end is requeued without need, and cancelled here.
    """
    deadline = time.monotonic() + _JOBS_END_S
    pause_s = _POLL_S if cluster.kind == "emulated" else _POLL_REAL_S
    ids = [job.job_id for job in read_jobs(run_dir)]
    while True:
        states = job_states(ids, slurm_bin=cluster.slurm_bin).values()
        waiting = [state.job_id for state in states if state.phase == "waiting"]
        running = [state.job_id for state in states if state.phase == "running"]
        if not (waiting or running):
            return
        late = time.monotonic() > deadline
        if waiting or late:
            scancel([*waiting, *(running if late else ())], slurm_bin=cluster.slurm_bin)
        if time.monotonic() > deadline + _JOBS_END_S:
            return
        time.sleep(pause_s)


def _cancel(request: RunRequest, run_dir: RunDir | None) -> None:
    """Cancel the jobs of an interrupted or failed run; an emulated cluster is stopped as a whole.

    The run directory stays, so that the user can find out what failed.
    """
    if request.cluster.kind == "slurm":
        with contextlib.suppress(HpckitError):
            call_hpckit(
                ["cancel", request.name, "--json"], request.cluster.env, request.cluster.root
            )
            if run_dir is not None:
                _wait_for_jobs_to_end(run_dir, request.cluster)


def _make_result(
    run_dir: RunDir,
    workload: Workload,
    directory: Path,
    *,
    started_at: float,
    memory: MemoryWatcher,
    bytes_moved: int | None,
) -> RunResult:
    state = load_state(run_dir, workload.tasks)
    rows = list(_rows(run_dir))
    succeeded = [row for _, row, _ in rows if row.kind == "ok"]
    if not succeeded:
        raise EngineError(
            f"no task of run {run_dir.root.name} ended well",
            hint=f"Its logs are in {run_dir.logs}.",
        )
    return RunResult(
        started_at=started_at,
        first_task_at=min(row.started_at for _, row, _ in rows),
        last_task_end_at=max(row.started_at + row.wall_s for row in succeeded),
        results_known_at=max(t for t, _, _ in rows),
        done=state.done,
        mean_task_s=statistics.mean(row.wall_s for row in succeeded),
        digest=digest_outputs(workload, directory),
        head_mib=memory.head_mib,
        worker_mib=memory.worker_mib,
        bytes_moved=bytes_moved,
        losses=_losses(run_dir, workload, directory, state),
        workers=_timeline(state, rows, started_at),
    )


def _rows(run_dir: RunDir) -> Iterable[tuple[float, Row, str]]:
    """Yield each result in the journal: its time, the result, and its worker."""
    for entry in replay(run_dir):
        event = entry.event
        if isinstance(event, Returned | Lost):
            for row in event.rows:
                yield event.t, row, event.worker


def _losses(run_dir: RunDir, workload: Workload, directory: Path, state: RunState) -> Losses:
    if not workload.records_starts:
        return Losses(tasks_lost=workload.tasks - state.done, recorded_twice=state.duplicates)
    ids = [job.job_id for job in read_jobs(run_dir) if job.role == "workers"]
    lives = job_history(ids, slurm_bin=run_dir.read_plan().slurm_bin)
    reclaimed = [
        life for history in lives.values() for life in history if life.state in _PREEMPTED_STATES
    ]
    redone, wasted_s = count_wasted_work(list(read_starts(directory)), state, workload.seed)
    return Losses(
        reclaimed=len(reclaimed),
        tasks_lost=workload.tasks - state.done,
        recorded_twice=state.duplicates,
        redone=redone,
        wasted_core_s=wasted_s,
    )


def _timeline(
    state: RunState, rows: Iterable[tuple[float, Row, str]], started_at: float
) -> list[dict[str, Any]]:
    """Return the time of each worker, and its tasks, in seconds since the submission."""
    tasks: dict[str, list[list[Any]]] = {}
    for _, row, worker in rows:
        entry = [round(row.started_at - started_at, 3), round(row.wall_s, 3), row.kind]
        tasks.setdefault(worker, []).append(entry)
    return [
        {
            "name": name,
            "start_s": round(record.joined.t - started_at, 3),
            "end_s": round((record.left.t if record.left else state.last_at) - started_at, 3),
            "state": record.reason or ("COMPLETED" if record.left is None else "LEFT"),
            "tasks": sorted(tasks.get(name, [])),
        }
        for name, record in state.workers.items()
    ]
