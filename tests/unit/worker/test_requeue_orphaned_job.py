import pytest

from hpckit.errors import SchedulerError
from hpckit.worker.recovery.requeue_orphaned_job import SILENT_S, STARTING_S, RequeueOrphanedJob


class Slurm:
    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[tuple[str, str]] = []
        self.error = ""

    def requeue(self, job_id: str, *, slurm_bin: str) -> None:
        self.asked.append((job_id, slurm_bin))
        if self.error:
            raise SchedulerError(self.error)


@pytest.fixture
def slurm() -> Slurm:
    return Slurm()


def watch(slurm: Slurm) -> RequeueOrphanedJob:
    return RequeueOrphanedJob("57", "/slurm/bin", slurm.requeue, lambda: slurm.now, spread_s=5.0)


def test_an_allocation_without_a_head_goes_back_to_the_queue_after_a_minute(slurm: Slurm) -> None:
    headless = watch(slurm)
    headless.served(3)
    slurm.now += SILENT_S + 4
    headless.look(3)
    assert not slurm.asked
    slurm.now += 2
    headless.look(3)
    assert slurm.asked == [("57", "/slurm/bin")]


def test_a_head_that_has_begun_its_journal_gets_the_time_to_start_its_engine(slurm: Slurm) -> None:
    headless = watch(slurm)
    headless.served(3)
    slurm.now += SILENT_S - 1
    headless.look(4)
    slurm.now += STARTING_S
    headless.look(4)
    assert not slurm.asked
    slurm.now += 6
    headless.look(4)
    assert slurm.asked


def test_nothing_is_requeued_before_there_was_a_head(slurm: Slurm) -> None:
    waiting = watch(slurm)
    slurm.now += 10_000
    waiting.look(0)
    assert not slurm.asked


def test_a_refusal_is_said_and_slurm_is_asked_again_later(
    slurm: Slurm, capfd: pytest.CaptureFixture[str]
) -> None:
    slurm.error = "the controller is away"
    headless = watch(slurm)
    headless.served(1)
    slurm.now += 70
    headless.look(1)
    headless.look(1)
    assert len(slurm.asked) == 1
    assert "could not be requeued: the controller is away" in capfd.readouterr().out
    slurm.now += 61
    headless.look(1)
    assert len(slurm.asked) == 2
