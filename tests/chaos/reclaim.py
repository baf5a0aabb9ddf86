"""``python -m tests.chaos.reclaim``: what capacity costs that is taken back all the time.

Every worker is reclaimed once per minute on average, with 5 s of grace, while a bag of
``sleep 1`` runs. Measured are the work that is done again, and the makespan against the ideal:
the moment at which the slot-seconds of the running worker jobs, from Slurm's start to the reclaim
(its warning), reach the sum of the tasks' durations. Start-up is in the makespan, and told apart;
so is the ideal of a user who could use the grace time to its last moment.
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
from tests.chaos import journal
from tests.chaos.cluster import ChaosPlace, emulated_place, end_in_order_when_told
from tests.support.slurm_site import await_true

RESULTS: Final = Path("results/reclaim.json")
SPOT: Final = "spot"
WORKERS: Final = 3
SLOTS: Final = 2  # of each worker
LIFE_S: Final = 60.0
GRACE_S: Final = 5.0
LONGEST_S: Final = 900.0
BAG: Final = """
[task]
command = ["sh", "-c", "echo $HPCKIT_TASK_INDEX >> ran; exec sleep 1"]
[each]
number = {{ range = "1-{tasks}" }}
"""


@dataclass(frozen=True)
class Life:
    """One life of a worker's job, in Unix time."""

    start: float
    end: float
    state: str
    worker: str = ""  # how the worker's name begins: job, element and restart

    def less(self, grace_s: float) -> Life:
        """Return this life up to its warning."""
        taken = self.state == "PREEMPTED"
        return replace(self, end=max(self.start, self.end - grace_s)) if taken else self


def ideal_end(lives: Sequence[Life], slots: int, work_s: float) -> float:
    """Return when the slot-seconds of `lives` reach `work_s`; infinite if they do not."""
    edges = sorted({edge for life in lives for edge in (life.start, life.end)})
    done_s = 0.0
    for since, until in itertools.pairwise(edges):
        rate = slots * sum(life.start <= since and life.end >= until for life in lives)
        if rate and done_s + rate * (until - since) >= work_s:
            return since + (work_s - done_s) / rate
        done_s += rate * (until - since)
    return float("inf")


def measure(slurm_site: ChaosPlace, backend: str, tasks: int) -> dict[str, Any]:
    """Run the bag while its workers are reclaimed; return what it came to."""
    name = f"reclaim-{backend}"
    root = slurm_site.slurm_site.root / name
    root.mkdir()
    (root / "bag.toml").write_text(BAG.format(tasks=tasks))
    words = ["--backend", backend, "--shape", "array", "--site", slurm_site.slurm_site.site]
    words += ["--name", name, "--nodes", str(WORKERS), "--walltime", "1h"]
    words += ["--worker-partition", SPOT]  # where capacity is taken back; the head stays
    slurm_site.slurm_site.hpckit("submit", "bag.toml", *words, cwd=root).expect(0)
    run_dir = slurm_site.runs / name
    await_true("the first task", lambda: journal.ended_tasks(run_dir), 120)
    _take_back_until_the_end(slurm_site, name)
    return _account(slurm_site, root, run_dir)


def _take_back_until_the_end(slurm_site: ChaosPlace, name: str) -> None:
    """Reclaim as often as so many running workers are; the next time is drawn anew each time,
    which changes nothing: it does not depend on how long one has waited.

    What is asked here is cheap: Slurm's and hpckit's own commands, twice a second, took half of a
    core from the workers that start up."""
    deadline = time.monotonic() + LONGEST_S
    running, seed = 0, 5
    run_dir = slurm_site.runs / name
    while not journal.of_kind(run_dir, "ended"):
        assert time.monotonic() < deadline, f"{name} is not over after {LONGEST_S:.0f} s"
        jobs = control.status(slurm_site.slurm_site.site)["jobs"]
        now = max(0, int(jobs["running"]) - 1)  # less the head
        if now != running:
            running, seed = now, seed + 1
            control.reclaim(
                per_hour=running * 3600 / LIFE_S, grace_s=GRACE_S, seed=seed, partition=SPOT,
                name=slurm_site.slurm_site.site,
            )  # fmt: skip
        time.sleep(0.5)
    control.reclaim(per_hour=0, name=slurm_site.slurm_site.site)


def _account(slurm_site: ChaosPlace, root: Path, run_dir: Path) -> dict[str, Any]:
    rows = [each[0] for each in journal.final_rows(run_dir).values()]
    work_s = sum(row[7] for row in rows)
    ended = max(row[6] + row[7] for row in rows)
    lives = _lives(slurm_site)
    began = min(life.start for life in lives)
    until_warned = [life.less(GRACE_S) for life in lives]
    ideal_s = ideal_end(until_warned, SLOTS, work_s) - began
    with_grace_s = ideal_end(lives, SLOTS, work_s) - began
    starts = len((root / "ran").read_text().split())
    reclaimed = sum(life.state == "PREEMPTED" for life in lives)
    late = _start_ups(run_dir, lives)
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
        "slot_seconds": slot_seconds(until_warned, _worked(run_dir), ended),
    }


def slot_seconds(
    lives: Sequence[Life], worked: dict[str, list[tuple[float, float]]], ended: float
) -> dict[str, float]:
    """Return where the slot-seconds of `lives` up to the end of the bag went.

    Args:
        lives: each up to its warning.
        worked: by worker, as `Life.worker` names it: start and end of each of its tasks.
        ended: when the last task ended, Unix time.
    """
    start_up = running = between = after_warning = 0.0
    for life in lives:
        until = min(life.end, ended)
        tasks = worked.get(life.worker, [])
        first = min([until, *(since for since, _ in tasks)])
        mine = sum(max(0.0, min(end, until) - min(since, until)) for since, end in tasks)
        start_up += SLOTS * max(0.0, first - life.start)
        running += mine
        between += SLOTS * max(0.0, until - first) - mine
        after_warning += sum(end - since for since, end in tasks) - mine
    parts = {"start_up": start_up, "running": running, "between_tasks": between}
    return {name: round(value, 1) for name, value in parts.items()} | {
        "running_after_the_warning": round(after_warning, 1)
    }


def _worked(run_dir: Path) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for event in journal.events(run_dir):
        for row in event.get("rows", ()):
            tasks = found.setdefault(event["worker"].partition("-")[0], [])
            tasks.append((row[6], row[6] + row[7]))
    return found


def _start_ups(run_dir: Path, lives: Sequence[Life]) -> list[float]:
    """Return for each worker how long it took from Slurm's start to its first task's."""
    first: dict[str, float] = {}
    for event in journal.events(run_dir):
        for row in event.get("rows", ()):
            name = event["worker"]
            first[name] = min(first.get(name, row[6]), row[6])
    started = {life.worker: life.start for life in lives}
    workers = ((name.partition("-")[0], at) for name, at in first.items())
    return [at - started[worker] for worker, at in workers if worker in started]


def _lives(slurm_site: ChaosPlace) -> list[Life]:
    words = ["-n", "-P", "-X", "-D", "-o", "JobID,State,Start,End,Partition"]
    found: list[Life] = []
    before: Counter[str] = Counter()
    for line in slurm_site.slurm("sacct", *words).splitlines():
        job, state, start, end, partition = line.split("|")
        if partition == SPOT and start[:1].isdigit():
            until = _unix(end) if end[:1].isdigit() else time.time()
            again = f"r{before[job]}" if before[job] else ""
            before[job] += 1
            found.append(Life(_unix(start), until, state.split()[0], f"{job}{again}"))
    return found


def _unix(local: str) -> float:
    return time.mktime(time.strptime(local, "%Y-%m-%dT%H:%M:%S"))


def main() -> int:
    """Measure both engines; return 1 on any miss."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.reclaim", description=__doc__)
    parser.add_argument("--tasks", type=int, default=900)
    parser.add_argument("--backend", choices=["workqueue", "ray"], action="append")
    options = parser.parse_args()
    end_in_order_when_told()
    document: dict[str, Any] = {"schema": "hpckit.reclaim/1", "checks": [], "measured": {}}
    for backend in options.backend or ["workqueue", "ray"]:
        with emulated_place() as slurm_site:
            found = measure(slurm_site, backend, options.tasks)
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
