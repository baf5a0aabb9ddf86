"""Run one round: submit a bag, inject faults, wait for the end, check every task and output."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from hpckit.errors import HpckitError
from tests.chaos import checksum_bag, journal_reader
from tests.chaos.cluster import ChaosCluster
from tests.chaos.fault_schedule import Round
from tests.chaos.faults import INJECTORS
from tests.chaos.leftovers import find_leftovers, published_ports
from tests.chaos.run_under_test import InjectedFault, NoTarget, RunUnderTest, await_answer

EFFECT_S: Final = {"emulated": 100.0, "slurm": 150.0}  # a fault must take effect within
END_S: Final = {"emulated": 240.0, "slurm": 360.0}  # the run must end within, after the last fault
TARGET_S: Final = 60.0  # a fault must find its target within
HOLD_S: Final = 0.3  # tasks that start later than this after a fault are held back
MAX_RESUMES: Final = 6


@dataclass
class Outcome:
    """The outcome of a round."""

    round: Round
    cluster_kind: str
    effects: dict[str, str] = field(default_factory=dict)  # fault: what it hit, and the evidence
    misses: list[str] = field(default_factory=list)
    resumes: int = 0
    redone: int = 0  # starts of tasks beyond the first
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.misses

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def run_round(cluster: ChaosCluster, plan: Round) -> Outcome:
    """Run a round; return what went wrong in the outcome."""
    outcome = Outcome(plan, cluster.kind)
    started = time.monotonic()
    name = f"c{plan.number}"
    root = cluster.slurm_site.root / f"bag-{plan.number}"
    root.mkdir(exist_ok=True)
    checksum_bag.write_bag(root, plan.tasks, plan.length)
    run = RunUnderTest(cluster, root, name, plan.backend, plan.shape, random.Random(plan.seed))
    ports: set[int] = set()
    try:
        _submit(run)
        for number, fault in enumerate(plan.faults):
            _await_progress(run, outcome, ports, plan.tasks * (number + 1) // 5)
            ports |= published_ports(run.run_dir)
            _inject(run, fault, outcome)
        _follow(run, outcome, ports)
        _check(run, plan, outcome)
        outcome.misses += [f"left behind: {words}" for words in find_leftovers(run, ports)]
    except (AssertionError, RuntimeError, OSError, HpckitError) as error:
        outcome.misses.append(f"{type(error).__name__}: {error}")
    finally:
        (root / "hold").unlink(missing_ok=True)
        cluster.mend()
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


def _submit(run: RunUnderTest) -> None:
    words = [
        "--backend",
        run.backend,
        "--shape",
        run.shape,
        "--site",
        run.cluster.slurm_site.site,
    ]
    words += ["--name", run.name, "--walltime", "20m", "--nodes", "3"]
    words += ["--sbatch", f"--partition={run.cluster.preempting[1]}"]
    run.cluster.slurm_site.hpckit("submit", "bag.toml", *words, cwd=run.root).expect(0)


def _state(run: RunUnderTest) -> str:
    answer = run.cluster.slurm_site.hpckit("status", run.name, "--json")
    return str(answer.document["state"]) if answer.stdout.strip() else ""


def _resume_if_stopped(run: RunUnderTest, outcome: Outcome, state: str) -> None:
    if state == "stopped":
        outcome.resumes += 1
        assert outcome.resumes <= MAX_RESUMES, f"the run stopped {outcome.resumes} times"
        run.cluster.slurm_site.hpckit("resume", run.name, cwd=run.root).expect(0)


def _await_progress(run: RunUnderTest, outcome: Outcome, ports: set[int], tasks: int) -> None:
    deadline = time.monotonic() + END_S[run.cluster.kind]
    look_at = time.monotonic() + 5
    hold = run.root / "hold"
    while journal_reader.ended_tasks(run.run_dir) < tasks:
        ports |= published_ports(run.run_dir)
        assert time.monotonic() < deadline, f"{tasks} tasks did not end in time"
        if time.monotonic() > look_at:
            look_at = time.monotonic() + 5
            hold.touch()  # a busy machine answers so late that all tasks could end meanwhile
            _resume_if_stopped(run, outcome, _state(run))
            hold.unlink()
        time.sleep(0.2)


def _inject(run: RunUnderTest, fault: str, outcome: Outcome) -> None:
    """Inject a fault; hold the tasks back until it takes effect, so that there is work to lose."""
    hold = run.root / "hold"
    later = threading.Timer(HOLD_S, hold.touch)
    later.start()
    try:
        injected = _inject_when_possible(run, fault, outcome)
        if injected is None:
            return
        proof = await_answer(injected.evidence, EFFECT_S[run.cluster.kind])
        injected.mend()
    finally:
        later.cancel()
        later.join()
        hold.unlink(missing_ok=True)
    outcome.effects[fault] = f"{injected.what} → {proof or 'NO EFFECT'}"
    if not proof:
        outcome.misses.append(f"{fault} took no effect: {injected.what}")


def _inject_when_possible(run: RunUnderTest, fault: str, outcome: Outcome) -> InjectedFault | None:
    """Inject a fault as soon as its target exists; return None if there is none in time."""
    deadline = time.monotonic() + TARGET_S
    while True:
        try:
            return INJECTORS[fault](run)
        except (NoTarget, RuntimeError, HpckitError) as error:  # or Slurm does not answer
            if time.monotonic() > deadline:
                outcome.misses.append(f"{fault}: {error}")
                return None
        time.sleep(0.3)
        _resume_if_stopped(run, outcome, _state(run))


def _follow(run: RunUnderTest, outcome: Outcome, ports: set[int]) -> None:
    deadline = time.monotonic() + END_S[run.cluster.kind]
    while (state := _state(run)) not in ("done", "failed", "cancelled"):
        assert time.monotonic() < deadline, f"the run is still {state!r}"
        _resume_if_stopped(run, outcome, state)
        ports |= published_ports(run.run_dir)
        time.sleep(0.7)


def _check(run: RunUnderTest, plan: Round, outcome: Outcome) -> None:
    """Check that every task has one correct final record, and every output is right."""
    rows = journal_reader.final_rows(run.run_dir)
    for index in range(plan.tasks):
        found = [(row[2], row[4]) for row in rows.get(index, [])]
        wanted = [("error", 3)] if checksum_bag.fails_on_purpose(index) else [("ok", 0)]
        if found != wanted:
            outcome.misses.append(f"task {index} is recorded as {found}, not {wanted}")
    outcome.misses += checksum_bag.wrong_outputs(run.root, plan.tasks)
    counts = run.cluster.slurm_site.status(run.name)["counts"]
    bad = sum(map(checksum_bag.fails_on_purpose, range(plan.tasks)))
    if counts != {"done": plan.tasks - bad, "failed": bad, "running": 0, "waiting": 0}:
        outcome.misses.append(f"status counts {counts}")
    outcome.redone = sum(count - 1 for count in checksum_bag.start_counts(run.root).values())
