"""Plays one round: submit, break things, follow it to its end, look whether all is there."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from hpckit.errors import HpckitError
from tests.chaos import bag, journal
from tests.chaos.cluster import ChaosPlace
from tests.chaos.fault_schedule import Round
from tests.chaos.faults import STRIKES
from tests.chaos.left import left_behind, published_ports
from tests.chaos.scene import NoTarget, Scene, Strike, await_answer

EFFECT_S: Final = {"emulated": 100.0, "slurm": 150.0}  # within which a fault takes effect
END_S: Final = {"emulated": 240.0, "slurm": 360.0}  # after the last fault
TARGET_S: Final = 60.0  # within which there is something to break
HOLD_S: Final = 0.3  # after which tasks that start are held back
RESUMES: Final = 6


@dataclass
class Outcome:
    """The outcome of a round."""

    round: Round
    slurm_site: str
    effects: dict[str, str] = field(default_factory=dict)  # fault: what was done, and its proof
    misses: list[str] = field(default_factory=list)
    resumes: int = 0
    redone: int = 0  # starts of tasks beyond the first
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.misses

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def play(slurm_site: ChaosPlace, plan: Round) -> Outcome:
    """Play a round; whatever goes wrong is in the outcome."""
    outcome = Outcome(plan, slurm_site.kind)
    started = time.monotonic()
    name = f"c{plan.number}"
    root = slurm_site.slurm_site.root / f"bag-{plan.number}"
    root.mkdir(exist_ok=True)
    bag.lay_out(root, plan.tasks, plan.length)
    scene = Scene(slurm_site, root, name, plan.backend, plan.shape, random.Random(plan.seed))
    ports: set[int] = set()
    try:
        _submit(scene)
        for number, fault in enumerate(plan.faults):
            _await_progress(scene, outcome, ports, plan.tasks * (number + 1) // 5)
            ports |= published_ports(scene.run_dir)
            _strike(scene, fault, outcome)
        _follow(scene, outcome, ports)
        _check(scene, plan, outcome)
        outcome.misses += [f"left behind: {words}" for words in left_behind(scene, ports)]
    except (AssertionError, RuntimeError, OSError, HpckitError) as error:
        outcome.misses.append(f"{type(error).__name__}: {error}")
    finally:
        (root / "hold").unlink(missing_ok=True)
        slurm_site.mend()
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


def _submit(scene: Scene) -> None:
    words = [
        "--backend",
        scene.backend,
        "--shape",
        scene.shape,
        "--site",
        scene.slurm_site.slurm_site.site,
    ]
    words += ["--name", scene.name, "--walltime", "20m", "--nodes", "3"]
    words += ["--sbatch", f"--partition={scene.slurm_site.preempting[1]}"]
    scene.slurm_site.slurm_site.hpckit("submit", "bag.toml", *words, cwd=scene.root).expect(0)


def _state(scene: Scene) -> str:
    answer = scene.slurm_site.slurm_site.hpckit("status", scene.name, "--json")
    return str(answer.document["state"]) if answer.stdout.strip() else ""


def _resume_if_stopped(scene: Scene, outcome: Outcome, state: str) -> None:
    if state == "stopped":
        outcome.resumes += 1
        assert outcome.resumes <= RESUMES, f"it stopped {outcome.resumes} times"
        scene.slurm_site.slurm_site.hpckit("resume", scene.name, cwd=scene.root).expect(0)


def _await_progress(scene: Scene, outcome: Outcome, ports: set[int], tasks: int) -> None:
    deadline = time.monotonic() + END_S[scene.slurm_site.kind]
    look_at = time.monotonic() + 5
    while journal.ended_tasks(scene.run_dir) < tasks:
        ports |= published_ports(scene.run_dir)
        assert time.monotonic() < deadline, f"{tasks} tasks did not end in time"
        if time.monotonic() > look_at:
            look_at = time.monotonic() + 5
            _resume_if_stopped(scene, outcome, _state(scene))
        time.sleep(0.2)


def _strike(scene: Scene, fault: str, outcome: Outcome) -> None:
    """Do it; hold the tasks back until it has taken effect, so that there is work to lose."""
    hold = scene.root / "hold"
    later = threading.Timer(HOLD_S, hold.touch)
    later.start()
    try:
        strike = _struck(scene, fault, outcome)
        if strike is None:
            return
        proof = await_answer(strike.evidence, EFFECT_S[scene.slurm_site.kind])
        strike.mend()
    finally:
        later.cancel()
        later.join()
        hold.unlink(missing_ok=True)
    outcome.effects[fault] = f"{strike.what} → {proof or 'NO EFFECT'}"
    if not proof:
        outcome.misses.append(f"{fault} took no effect: {strike.what}")


def _struck(scene: Scene, fault: str, outcome: Outcome) -> Strike | None:
    """Do it as soon as there is something to break; None when there was nothing in time."""
    deadline = time.monotonic() + TARGET_S
    while True:
        try:
            return STRIKES[fault](scene)
        except (NoTarget, RuntimeError, HpckitError) as error:  # or Slurm does not answer
            if time.monotonic() > deadline:
                outcome.misses.append(f"{fault}: {error}")
                return None
        time.sleep(0.3)
        _resume_if_stopped(scene, outcome, _state(scene))


def _follow(scene: Scene, outcome: Outcome, ports: set[int]) -> None:
    deadline = time.monotonic() + END_S[scene.slurm_site.kind]
    while (state := _state(scene)) not in ("done", "failed", "cancelled"):
        assert time.monotonic() < deadline, f"it is still {state!r}"
        _resume_if_stopped(scene, outcome, state)
        ports |= published_ports(scene.run_dir)
        time.sleep(0.7)


def _check(scene: Scene, plan: Round, outcome: Outcome) -> None:
    """Every task is recorded once, as what it is; every output is right."""
    rows = journal.final_rows(scene.run_dir)
    for index in range(plan.tasks):
        found = [(row[2], row[4]) for row in rows.get(index, [])]
        wanted = [("error", 3)] if bag.is_bad(index) else [("ok", 0)]
        if found != wanted:
            outcome.misses.append(f"task {index} is recorded as {found}, not {wanted}")
    outcome.misses += bag.wrong_outputs(scene.root, plan.tasks)
    counts = scene.slurm_site.slurm_site.status(scene.name)["counts"]
    bad = sum(map(bag.is_bad, range(plan.tasks)))
    if counts != {"done": plan.tasks - bad, "failed": bad, "running": 0, "waiting": 0}:
        outcome.misses.append(f"status counts {counts}")
    outcome.redone = sum(count - 1 for count in bag.starts(scene.root).values())
