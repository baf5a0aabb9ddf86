"""Run cases in parallel; cases that need a cluster alone run one by one on a second cluster.

A case that fails on the real Slurm is tried once more there: on a busy machine its daemons
sometimes lose a step or a record, about once in a thousand cases, and the case tests the emulator.
The report names each of those; on the emulated Slurm no case is tried twice.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.conformance.backends import Backend, Cluster
from tests.conformance.case import Case

SIDE_BY_SIDE = 8
TRIED_TWICE = ("real",)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one case on one backend. `trouble` is "" when it agreed; `at_first` is that of
    a first try, if there was a second."""

    case: Case
    backend: str
    trouble: str
    seconds: float
    at_first: str = ""


Report = Callable[[Outcome], None]


def run_all(
    name: str, backend: Backend, cases: Sequence[Case], report: Report, stop: threading.Event
) -> list[Outcome]:
    """Run the cases on the backend; `report` is called as each ends.

    Once `stop` is set no further case begins.
    """
    lanes = {
        "shared": [c for c in cases if not c.alone],
        "alone": sorted((c for c in cases if c.alone), key=lambda c: c.breaks),
    }
    outcomes: list[Outcome] = []
    lock = threading.Lock()

    def done(outcome: Outcome) -> None:
        with lock:
            outcomes.append(outcome)
            report(outcome)

    def lane(which: str) -> None:
        if lanes[which]:
            with backend(which) as cluster:
                workers = SIDE_BY_SIDE if which == "shared" else 1
                with ThreadPoolExecutor(workers) as pool:
                    for case in lanes[which]:
                        pool.submit(run_one, name, cluster, case, done, stop)

    with ThreadPoolExecutor(len(lanes)) as pool:
        for future in [pool.submit(lane, which) for which in lanes]:
            future.result()
    return outcomes


def run_one(name: str, cluster: Cluster, case: Case, done: Report, stop: threading.Event) -> None:
    """Run the case, unless `stop` is set, and call `done` with its outcome."""
    if stop.is_set():
        return
    began = time.monotonic()
    key = f"{case.group}-{case.name}"
    at_first, trouble = "", _try(cluster, case, key)
    if trouble and name in TRIED_TWICE and not stop.is_set():
        at_first, trouble = trouble, _try(cluster, case, f"{key}-again")
    done(Outcome(case, name, trouble, time.monotonic() - began, at_first))


def _try(cluster: Cluster, case: Case, directory: str) -> str:
    """Run the case in a directory of that name; return what was wrong, ``""`` if nothing."""
    slurm = cluster.for_case(directory)
    trouble = ""
    try:
        case.body(slurm)
    except Exception as error:
        trouble = _explain(case, error)
    finally:
        try:
            slurm.clean_up()
            if case.breaks:
                cluster.faults.mend()
        except Exception as error:
            trouble = trouble or f"cleaning up: {error}"
    return trouble


def _explain(case: Case, error: Exception) -> str:
    """Return the failing line of the case, and the assertion's message."""
    where = [f for f in traceback.extract_tb(error.__traceback__) if "/cases/" in f.filename]
    line = f"{where[-1].lineno}: {where[-1].line}" if where else ""
    return f"{line}\n{type(error).__name__}: {error}".strip()
