"""Runs cases side by side: those that need a cluster for themselves one by one, on a second."""

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


@dataclass(frozen=True)
class Outcome:
    """How one case went on one backend. `trouble` is "" when it agreed."""

    case: Case
    backend: str
    trouble: str
    seconds: float


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
                        pool.submit(_run_one, name, cluster, case, done, stop)

    with ThreadPoolExecutor(len(lanes)) as pool:
        for future in [pool.submit(lane, which) for which in lanes]:
            future.result()
    return outcomes


def _run_one(name: str, cluster: Cluster, case: Case, done: Report, stop: threading.Event) -> None:
    if stop.is_set():
        return
    began = time.monotonic()
    slurm = cluster.for_case(f"{case.group}-{case.name}")
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
    done(Outcome(case, name, trouble, time.monotonic() - began))


def _explain(case: Case, error: Exception) -> str:
    """The failing line of the case, and what the assertion found."""
    where = [f for f in traceback.extract_tb(error.__traceback__) if "/cases/" in f.filename]
    line = f"{where[-1].lineno}: {where[-1].line}" if where else ""
    return f"{line}\n{type(error).__name__}: {error}".strip()
