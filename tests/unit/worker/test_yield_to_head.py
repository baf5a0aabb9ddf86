import pytest

from hpckit.errors import SchedulerError
from hpckit.worker.recovery.yield_to_head import FIRST_S, YieldToHead


class Slurm:
    def __init__(self, reason: str) -> None:
        self.now = 0.0
        self.reason = reason
        self.asked = 0

    def why(self, job_id: str, *, slurm_bin: str) -> str:
        self.asked += 1
        assert (job_id, slurm_bin) == ("61", "/bin")
        if self.reason == "down":
            raise SchedulerError("the controller is away")
        return self.reason

    def watch(self, workers: int = 4, chance: float = 0.0) -> YieldToHead:
        return YieldToHead(
            lambda: "61", "/bin", workers, ask=self.why, clock=lambda: self.now,
            chance=lambda: chance,
        )  # fmt: skip


@pytest.mark.parametrize("reason", ["Resources", "Priority", "QOSMaxCpuPerUserLimit"])
def test_a_worker_leaves_when_the_heads_job_waits_for_room(reason: str) -> None:
    slurm = Slurm(reason)
    watch = slurm.watch()
    watch.served(1)
    assert watch.look(1) == ""
    slurm.now += FIRST_S + 1
    assert f"head's job 61 waits for room ({reason})" in watch.look(1)


@pytest.mark.parametrize("reason", ["", "BeginTime", "Dependency", "JobHeldUser", "down"])
def test_it_stays_when_its_leaving_would_not_help(reason: str) -> None:
    slurm = Slurm(reason)
    watch = slurm.watch()
    watch.served(1)
    slurm.now += FIRST_S + 1
    assert watch.look(1) == ""
    assert slurm.asked == 1


def test_questions_are_spread_over_the_workers_and_become_rarer() -> None:
    slurm = Slurm("BeginTime")
    last = slurm.watch(workers=1000, chance=1.0)
    last.served(1)
    slurm.now += FIRST_S + 499
    last.look(1)
    assert slurm.asked == 0
    for _ in range(3600):
        slurm.now += 1
        last.look(1)
    assert 3 <= slurm.asked <= 10


def test_a_new_head_that_starts_gets_its_time() -> None:
    slurm = Slurm("Resources")
    watch = slurm.watch()
    watch.served(1)
    slurm.now += FIRST_S + 1
    assert watch.look(2) == ""
