"""Run the selected cases in parallel in the background; each test waits for its own case."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Protocol

import pytest

pytest.register_assert_rewrite("tests.conformance.cases", "tests.conformance.driver")

from tests.conformance.backends import BACKENDS, missing_reason  # noqa: E402
from tests.conformance.case import Case  # noqa: E402
from tests.conformance.report import Record, summary_lines  # noqa: E402
from tests.conformance.runner import Outcome, run_all  # noqa: E402

RECORD = pytest.StashKey[Record]()


class Await(Protocol):
    def __call__(self, backend: str, case: Case) -> Outcome: ...


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RECORD] = Record()


@pytest.fixture(scope="session")
def outcome_of(request: pytest.FixtureRequest) -> Iterator[Await]:
    """Start all selected cases on all backends; yield a function that waits for one of them."""
    record = request.config.stash[RECORD]
    wanted: dict[str, list[Case]] = defaultdict(list)
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "outcome_of" in item.fixturenames:
            backend, case = (item.callspec.params[name] for name in ("backend", "case"))
            assert isinstance(backend, str) and isinstance(case, Case)
            wanted[backend].append(case)
    futures: dict[tuple[str, str], Future[Outcome]] = defaultdict(Future)
    threads, stop = [], threading.Event()
    for backend, cases in wanted.items():
        if not missing_reason(backend):
            for case in cases:
                futures[backend, case.key] = Future()
            threads.append(_start(backend, cases, futures, record, stop))

    def wait(backend: str, case: Case) -> Outcome:
        if reason := missing_reason(backend):
            pytest.skip(reason)
        return futures[backend, case.key].result()

    yield wait
    stop.set()  # after an interrupt, or when all cases are done
    for thread in threads:
        thread.join()


def _start(
    backend: str,
    cases: list[Case],
    futures: dict[tuple[str, str], Future[Outcome]],
    record: Record,
    stop: threading.Event,
) -> threading.Thread:
    def report(outcome: Outcome) -> None:
        record.add(outcome)
        futures[backend, outcome.case.key].set_result(outcome)

    def work() -> None:
        why = "the case was never run"
        try:
            run_all(backend, BACKENDS[backend], cases, report, stop)
        except BaseException as error:
            why = str(error)
        for case in cases:
            future = futures[backend, case.key]
            if not future.done():
                future.set_exception(RuntimeError(f"{backend} Slurm: {why}"))

    thread = threading.Thread(target=work, name=f"conformance-{backend}")
    thread.start()
    return thread


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    record = config.stash[RECORD]
    if record.outcomes:
        record.save()
        terminalreporter.section("conformance")
        for line in summary_lines(record):
            terminalreporter.write_line(line)
