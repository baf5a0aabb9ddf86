"""The reasons why workers left, in Slurm's words: each word that a head can get."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from hpckit.errors import SchedulerError
from hpckit.head.exit_reasons import GIVE_UP_S, ExitReasons, History
from hpckit.model.worker import WorkerInfo
from hpckit.run.events import Joined
from hpckit.slurm.states import JobState

JOINED_AT = 1_000_000.0


def local(unix: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(unix))


class Asked:
    """A Slurm that says what a test wants, and a clock that the test moves."""

    def __init__(self) -> None:
        self.lives: History = {}
        self.down: set[str] = set()
        self.away = False
        self.questions = 0
        self.now = 100.0
        self.reasons = ExitReasons(self._ask, lambda: self.now)

    def _ask(self, _ids: list[str], _nodes: list[str]) -> tuple[History, set[str]]:
        self.questions += 1
        if self.away:
            raise SchedulerError("squeue: Unable to contact slurm controller")
        return self.lives, self.down

    def worker_left(self) -> None:
        self.reasons.worker_left(
            Joined(t=JOINED_AT, worker="57_1-n1", job_id="57_1", node="n1", cores=1, memory_mib=1)
        )

    def hear(self, told: Callable[[], object]) -> list[tuple[str, str]]:
        """Return the first answers, moving the clock on; stop when `told`."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (found := self.reasons.poll()) or told():
                return found
            self.now += 0.5
            time.sleep(0.001)
        raise AssertionError(f"nothing was told after {self.questions} questions")


@pytest.fixture
def asked() -> Asked:
    return Asked()


def life(state: str, ended_at: float) -> JobState:
    return JobState(job_id="57_1", state=state, ended_at=local(ended_at))


@pytest.mark.parametrize(
    "word", ["PREEMPTED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "CANCELLED", "FAILED"]
)
def test_a_worker_went_as_its_life_of_the_job_ended(asked: Asked, word: str) -> None:
    before = life("PREEMPTED" if word != "PREEMPTED" else "TIMEOUT", JOINED_AT - 100)
    asked.lives = {"57_1": (before, life(word, JOINED_AT + 60))}
    asked.worker_left()
    assert asked.hear(lambda: False) == [("57_1-n1", word)]


def test_a_node_that_is_down_is_reason_enough_before_slurm_ends_the_job(asked: Asked) -> None:
    asked.lives = {"57_1": (JobState(job_id="57_1", state="RUNNING"),)}
    asked.down = {"n1"}
    asked.worker_left()
    assert asked.hear(lambda: False) == [("57_1-n1", "NODE_FAIL")]


def test_what_slurm_does_not_say_in_a_quarter_of_an_hour_is_unknown(asked: Asked) -> None:
    asked.lives = {"57_1": (JobState(job_id="57_1", state="RUNNING"),)}
    asked.worker_left()
    began = asked.now
    assert asked.hear(lambda: False) == [("57_1-n1", "UNKNOWN")]
    assert asked.now - began > GIVE_UP_S
    assert 5 < asked.questions < 40, "it asks less and less often"


def test_while_slurm_is_away_nothing_is_told_and_it_is_asked_ever_more_seldom(
    asked: Asked,
) -> None:
    asked.away = True
    asked.worker_left()
    times = []

    def ten_minutes_passed() -> bool:
        if asked.questions > len(times):
            times.append(asked.now)
        return asked.now > 700

    assert asked.hear(ten_minutes_passed) == []
    pauses = [later - sooner for sooner, later in itertools.pairwise(times[1:])]
    assert pauses[0] < 6
    assert min(pauses[-3:]) > 40
    asked.away, asked.lives = False, {"57_1": (life("PREEMPTED", JOINED_AT + 60),)}
    assert asked.hear(lambda: False) == [("57_1-n1", "PREEMPTED")]


def test_a_worker_whose_process_was_started_anew_tells_that_the_one_before_was_killed(
    asked: Asked,
) -> None:
    asked.lives = {"57_1": (JobState(job_id="57_1", state="RUNNING"),)}
    asked.worker_left()
    fresh = WorkerInfo(
        name="57_1k1-n1", job_id="57_1", node="n1", pid=2, cores=1, memory_mib=1, again=1
    )
    elsewhere = replace(fresh, node="n2")
    asked.reasons.worker_joined(elsewhere)
    asked.reasons.worker_joined(replace(fresh, again=0))
    assert asked.reasons.poll() == []
    asked.reasons.worker_joined(fresh)
    assert asked.reasons.poll() == [("57_1-n1", "KILLED")]
