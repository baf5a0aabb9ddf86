"""``python -m tests.chaos.reclaim``: measure the cost of capacity that is reclaimed all the time.

Every worker is reclaimed once per minute on average, with 5 s of grace, while a bag of
``sleep 1`` runs. It measures the repeated work, and the makespan divided by the ideal: the moment
at which the slot-seconds of the running worker jobs, from Slurm's start to the reclaim (its
warning), reach the sum of the tasks' durations. The makespan contains the start-up, which is also
reported by itself; so is the ideal of a user who could use the grace time to its last moment.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hpckit.emulator import control
from tests.chaos import journal_reader
from tests.chaos.cluster import ChaosCluster, emulated_cluster, end_cluster_on_signal
from tests.support.slurm_site import await_true

RESULTS: Final = Path("results/reclaim.json")
SPOT: Final = "spot"
WORKERS: Final = 3
SLOTS: Final = 2  # of each worker
MEAN_LIFETIME_S: Final = 60.0
GRACE_S: Final = 5.0
MAX_RUN_S: Final = 900.0
BAG: Final = """
[task]
command = ["sh", "-c", "echo $HPCKIT_TASK_INDEX >> ran; exec sleep 1"]
[each]
number = {{ range = "1-{tasks}" }}
"""


@dataclass(frozen=True)
class JobIncarnation:
    """One incarnation of a worker's job; times are Unix time."""

    start: float
    end: float
    state: str
    worker: str = ""  # how the worker's name begins: job, element and restart

    def until_warning(self, grace_s: float) -> JobIncarnation:
        """Return this incarnation up to its warning."""
        taken = self.state == "PREEMPTED"
        return replace(self, end=max(self.start, self.end - grace_s)) if taken else self


def ideal_end(incarnations: Sequence[JobIncarnation], slots: int, work_s: float) -> float:
    """Return when the slot-seconds of `incarnations` reach `work_s`; infinite if they do not."""
    edges = sorted(
        {edge for incarnation in incarnations for edge in (incarnation.start, incarnation.end)}
    )
    done_s = 0.0
    for since, until in itertools.pairwise(edges):
        rate = slots * sum(
            incarnation.start <= since and incarnation.end >= until for incarnation in incarnations
        )
        if rate and done_s + rate * (until - since) >= work_s:
            return since + (work_s - done_s) / rate
        done_s += rate * (until - since)
    return float("inf")


def measure(cluster: ChaosCluster, backend: str, tasks: int) -> dict[str, Any]:
    """Run the bag while its workers are reclaimed; return the measured values."""
    name = f"reclaim-{backend}"
    root = cluster.slurm_site.root / name
    root.mkdir()
    (root / "bag.toml").write_text(BAG.format(tasks=tasks))
    words = ["--backend", backend, "--shape", "array", "--site", cluster.slurm_site.site]
    words += ["--name", name, "--nodes", str(WORKERS), "--walltime", "1h"]
    words += ["--worker-partition", SPOT]  # where capacity is taken back; the head stays
    cluster.slurm_site.hpckit("submit", "bag.toml", *words, cwd=root).expect(0)
    run_dir = cluster.runs / name
    await_true("the first task", lambda: journal_reader.ended_tasks(run_dir), 120)
    _reclaim_until_the_end(cluster, name)
    return _summarise(cluster, root, run_dir)


def _reclaim_until_the_end(cluster: ChaosCluster, name: str) -> None:
    """Reclaim at a rate that follows the number of running workers.

    Each change of the rate draws the next time again. That changes nothing: the distribution does
    not depend on how long one has waited. The questions here are cheap on purpose: Slurm's and
    hpckit's own commands, twice a second, took half a core from the workers that start.
    """
    deadline = time.monotonic() + MAX_RUN_S
    running, seed = 0, 5
    run_dir = cluster.runs / name
    while not journal_reader.events_of_kind(run_dir, "ended"):
        assert time.monotonic() < deadline, f"{name} is not over after {MAX_RUN_S:.0f} s"
        jobs = control.status(cluster.slurm_site.site)["jobs"]
        now = max(0, int(jobs["running"]) - 1)  # less the head
        if now != running:
            running, seed = now, seed + 1
            control.reclaim(
                per_hour=running * 3600 / MEAN_LIFETIME_S,
                grace_s=GRACE_S,
                seed=seed,
                partition=SPOT,
                name=cluster.slurm_site.site,
            )
        time.sleep(0.5)
    control.reclaim(per_hour=0, name=cluster.slurm_site.site)


def _summarise(cluster: ChaosCluster, root: Path, run_dir: Path) -> dict[str, Any]:
    rows = [each[0] for each in journal_reader.final_rows(run_dir).values()]
    work_s = sum(row[7] for row in rows)
    ended = max(row[6] + row[7] for row in rows)
    incarnations = _worker_incarnations(cluster)
    began = min(incarnation.start for incarnation in incarnations)
    until_warned = [incarnation.until_warning(GRACE_S) for incarnation in incarnations]
    ideal_s = ideal_end(until_warned, SLOTS, work_s) - began
    with_grace_s = ideal_end(incarnations, SLOTS, work_s) - began
    starts = len((root / "ran").read_text().split())
    reclaimed = sum(incarnation.state == "PREEMPTED" for incarnation in incarnations)
    late = _start_up_seconds(run_dir, incarnations)
    return {
        "tasks": len(rows),
        "done": sum(row[2] == "ok" for row in rows),
        "reclaimed": reclaimed,
        "redone_share": round((starts - len(rows)) / len(rows), 4),
        "makespan_s": round(ended - began, 1),
        "ideal_s": round(ideal_s, 1),
        "makespan_by_ideal": round((ended - began) / ideal_s, 3),
        "makespan_by_ideal_with_grace": round((ended - began) / with_grace_s, 3),
        "start_up_s": round(sum(late) / len(late), 2),
        "slot_seconds": slot_seconds(until_warned, _task_intervals(run_dir), ended),
    }


def slot_seconds(
    incarnations: Sequence[JobIncarnation],
    worked: dict[str, list[tuple[float, float]]],
    ended: float,
) -> dict[str, float]:
    """Return how the slot-seconds of `incarnations` up to the end of the bag were used.

    Args:
        incarnations: each cut at its warning.
        worked: start and end of each task, by worker as `JobIncarnation.worker` names it.
        ended: when the last task ended, Unix time.
    """
    start_up = running = between = after_warning = 0.0
    for incarnation in incarnations:
        until = min(incarnation.end, ended)
        tasks = worked.get(incarnation.worker, [])
        first = min([until, *(since for since, _ in tasks)])
        mine = sum(max(0.0, min(end, until) - min(since, until)) for since, end in tasks)
        start_up += SLOTS * max(0.0, first - incarnation.start)
        running += mine
        between += SLOTS * max(0.0, until - first) - mine
        after_warning += sum(end - since for since, end in tasks) - mine
    parts = {"start_up": start_up, "running": running, "between_tasks": between}
    return {name: round(value, 1) for name, value in parts.items()} | {
        "running_after_the_warning": round(after_warning, 1)
    }


def _task_intervals(run_dir: Path) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for event in journal_reader.events(run_dir):
        for row in event.get("rows", ()):
            tasks = found.setdefault(event["worker"].partition("-")[0], [])
            tasks.append((row[6], row[6] + row[7]))
    return found


def _start_up_seconds(run_dir: Path, incarnations: Sequence[JobIncarnation]) -> list[float]:
    """Return for each worker the seconds from its job's start to its first task's start."""
    first: dict[str, float] = {}
    for event in journal_reader.events(run_dir):
        for row in event.get("rows", ()):
            name = event["worker"]
            first[name] = min(first.get(name, row[6]), row[6])
    started = {incarnation.worker: incarnation.start for incarnation in incarnations}
    workers = ((name.partition("-")[0], at) for name, at in first.items())
    return [at - started[worker] for worker, at in workers if worker in started]


def _worker_incarnations(cluster: ChaosCluster) -> list[JobIncarnation]:
    words = ["-n", "-P", "-X", "-D", "-o", "JobID,State,Start,End,Partition"]
    found: list[JobIncarnation] = []
    before: Counter[str] = Counter()
    for line in cluster.slurm("sacct", *words).splitlines():
        job, state, start, end, partition = line.split("|")
        if partition == SPOT and start[:1].isdigit():
            until = _unix(end) if end[:1].isdigit() else time.time()
            again = f"r{before[job]}" if before[job] else ""
            before[job] += 1
            found.append(JobIncarnation(_unix(start), until, state.split()[0], f"{job}{again}"))
    return found


def _unix(local: str) -> float:
    return time.mktime(time.strptime(local, "%Y-%m-%dT%H:%M:%S"))


def main() -> int:
    """Measure both engines; return 1 if any check fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.reclaim", description=__doc__)
    parser.add_argument("--tasks", type=int, default=900)
    parser.add_argument("--backend", choices=["workqueue", "ray"], action="append")
    options = parser.parse_args()
    end_cluster_on_signal()
    document: dict[str, Any] = {"schema": "hpckit.reclaim/1", "checks": [], "measured": {}}
    for backend in options.backend or ["workqueue", "ray"]:
        with emulated_cluster() as cluster:
            found = measure(cluster, backend, options.tasks)
        print(backend, json.dumps(found), flush=True)
        document["measured"][backend] = found
        missing = options.tasks - found["done"]
        document["checks"] += [
            _check(f"{backend}: tasks that are not done", missing, 0),
            _check(
                f"{backend}: share of the tasks that was started again", found["redone_share"], 0.05
            ),
            _check(f"{backend}: makespan by the ideal", found["makespan_by_ideal"], 1.25),
            _check(f"{backend}: workers taken back, at least", found["reclaimed"], 1, least=True),
        ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return int(not all(check["pass"] for check in document["checks"]))


def _check(name: str, value: float, limit: float, *, least: bool = False) -> dict[str, Any]:
    passed = value >= limit if least else value <= limit
    return {"name": name, "value": value, "limit": limit, "pass": passed}


if __name__ == "__main__":
    sys.exit(main())
