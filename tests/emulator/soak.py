"""``make soak``: the state machine and a live cluster under random work and faults, alternately.

No core is given twice, no job is lost or in two states, accounting has every end, no process is
left. Hypothesis chooses the moves: the seed of a round is its number. ``make soak SEED=n`` begins
with round n.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from itertools import count

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from .live import LiveSlurm
from .results import Results
from .test_stateful import EmulatedSlurm

#: Failures are not shrunk: a live cluster does not repeat itself exactly. The seed is reported.
_COMMON = {
    "database": None, "deadline": None, "phases": [Phase.generate], "report_multiple_bugs": False,
    "suppress_health_check": list(HealthCheck), "print_blob": False,
}  # fmt: skip
PURE = settings(max_examples=100, stateful_step_count=50, **_COMMON)  # type: ignore[arg-type]
LIVE = settings(max_examples=5, stateful_step_count=30, **_COMMON)  # type: ignore[arg-type]


class Soak:
    """The rounds, and the counts of what they did."""

    def __init__(self, seconds: float) -> None:
        self.began = time.monotonic()
        self.end = self.began + seconds
        self.minute = 1
        self.round = 0
        self.failure = ""
        self.pure = {"examples": 0, "steps": 0}

    def go(self, first: int) -> None:
        """Run rounds until the time is over, at least one, or until one fails."""
        for number in count(first):
            self.round = number
            for kind, chosen in ((self._pure(), PURE), (self._live(), LIVE)):
                seed(number)(kind)
                try:
                    run_state_machine_as_test(kind, settings=chosen)
                except Exception:
                    self.failure = f"{kind.__name__} of round {number}:\n{traceback.format_exc()}"
                    return
            if time.monotonic() > self.end:
                return

    def _pure(self) -> type[RuleBasedStateMachine]:
        soak = self

        class PureMachine(EmulatedSlurm):
            def __init__(self) -> None:
                super().__init__()
                soak.pure["examples"] += 1

            def check_invariants(self, *rest: object, **named: object) -> None:
                soak.pure["steps"] += 1
                soak.tick()
                super().check_invariants(*rest, **named)  # type: ignore[misc]

        return PureMachine

    def _live(self) -> type[RuleBasedStateMachine]:
        soak = self

        class LiveCluster(LiveSlurm):
            def check_invariants(self, *rest: object, **named: object) -> None:
                soak.tick()
                super().check_invariants(*rest, **named)  # type: ignore[misc]

        return LiveCluster

    def tick(self) -> None:
        """Print a line once per minute."""
        if time.monotonic() - self.began < 60 * self.minute:
            return
        done = LiveSlurm.totals.count
        print(
            f"minute {self.minute}: round {self.round}; state machine: {self.pure['examples']} "
            f"examples, {self.pure['steps']} steps; live: {done['examples']} examples, "
            f"{done['steps']} steps, {done['jobs']} jobs, {done['nodes killed']} nodes and "
            f"{done['daemons killed']} daemons killed",
            flush=True,
        )
        self.minute = int((time.monotonic() - self.began) // 60) + 1


def main() -> int:
    """Soak; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    results = Results("soak")
    soak = Soak(options.minutes * 60)
    soak.go(options.seed)
    done = LiveSlurm.totals.count
    results.at_least("minutes", (time.monotonic() - soak.began) / 60, options.minutes)
    for name in ("examples", "steps"):
        results.at_least(f"state machine: {name}", soak.pure[name], 1)
    for name in ("examples", "steps", "jobs", "nodes killed", "daemons killed"):
        results.at_least(f"live: {name}", done[name], 1)
    broken = max(len(LiveSlurm.totals.broken), int(bool(soak.failure)))
    results.at_most("invariants broken", broken, 0)
    results.at_most("processes left", len(LiveSlurm.totals.left), 0)
    if soak.failure:
        print(soak.failure, file=sys.stderr)
        again = f"make soak SEED={soak.round} SOAK_MINUTES=0"
        print(f"seed {soak.round} failed; its moves again: {again}", file=sys.stderr)
    return results.write()


if __name__ == "__main__":
    os.environ.pop("SLURM_JOB_ID", None)
    sys.exit(main())
