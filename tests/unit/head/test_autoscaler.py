from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from hpckit.errors import EngineError, SchedulerError
from hpckit.head import autoscaler, poller
from hpckit.head.autoscaler import Autoscaler
from hpckit.head.scaling_policy import WorkLeft
from hpckit.head.startup_failures import FREE, MAX_FAILED_PER_WORKER, MIN_ALLOWED_FAILURES
from hpckit.run import submission
from hpckit.run.jobs import SubmittedJob, read_jobs, record_job
from hpckit.run.state import NOT_TASK_FAULT
from hpckit.slurm.states import JobState
from tests.unit.factories import make_plan, make_run_dir

WORK = WorkLeft(tasks=1000, slots=1, mean_s=10.0)
DEADLINE_S = 10.0


def test_a_slow_squeue_does_not_make_it_submit_the_same_workers_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer to a question that was asked before a submission says nothing of it."""
    run_dir = make_run_dir(tmp_path)
    submitted: list[str] = []
    may_answer = threading.Event()

    def slow_states(ids: list[str], *, slurm_bin: str) -> dict[str, JobState]:
        known = list(submitted)  # as of when it was asked
        may_answer.wait(DEADLINE_S)
        return {f"{i}_{n}": JobState(job_id=f"{i}_{n}", state="PENDING")
                for i, _ in enumerate(known) for n in range(4)}  # fmt: skip

    def sbatch(script: Path, *, slurm_bin: str, args: tuple[str, ...]) -> str:
        submitted.append(args[0])
        return str(len(submitted) - 1)

    monkeypatch.setattr(autoscaler, "job_states", slow_states)
    monkeypatch.setattr(submission, "sbatch", sbatch)
    now = [0.0]
    keeper = Autoscaler(run_dir, make_plan(max_workers=4, max_array_size=1001), lambda: now[0])
    try:
        for step in range(200):
            now[0] += 1.0
            keeper.look(set(), [], WORK)
            if step == 60:
                may_answer.set()
            time.sleep(0.005)
        assert submitted == ["--array=0-3"]
        assert [job.array for job in read_jobs(run_dir)] == ["0-3"]
    finally:
        may_answer.set()
        keeper.close()


class AtOnce:
    """An executor that has done everything before it returns."""

    def __init__(self, _threads: int) -> None:
        pass

    def submit(self, question: Callable[[], object]) -> Future[object]:
        answer: Future[object] = Future()
        try:
            answer.set_result(question())
        except Exception as error:
            answer.set_exception(error)
        return answer

    def shutdown(self, *, wait: bool, cancel_futures: bool) -> None:
        pass


class Cluster:
    """A Slurm on which every worker job comes to the end that a test wants, and a head's clock."""

    def __init__(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, most: int, **plan: object
    ) -> None:
        self.run_dir = make_run_dir(root)
        self.now = 0.0
        self.end = JobState(job_id="", state="FAILED", exit_code=3)
        self.jobs: dict[str, JobState] = {}
        self.joined: set[str] = set()
        self.submissions: list[tuple[float, int]] = []  # when, and how many workers
        self.notes: list[str] = []
        monkeypatch.setattr(poller, "ThreadPoolExecutor", AtOnce)
        monkeypatch.setattr(poller, "JITTER", (1.0, 1.0))
        monkeypatch.setattr(autoscaler, "job_states", lambda ids, slurm_bin: dict(self.jobs))
        monkeypatch.setattr(submission, "sbatch", self._sbatch)
        made = make_plan(max_workers=most, max_array_size=1001, **plan)
        self.keeper = Autoscaler(self.run_dir, made, lambda: self.now)
        self.now += autoscaler.FIRST_ARRAY_S

    def _sbatch(self, script: Path, *, slurm_bin: str, args: tuple[str, ...]) -> str:
        number = str(100 + len(self.submissions))
        last = int(args[0].removeprefix("--array=").rpartition("-")[2])
        self.submissions.append((self.now, last + 1))
        for index in range(last + 1):
            job_id = f"{number}_{index}"
            self.jobs[job_id] = replace(self.end, job_id=job_id)
        return number

    def look(self) -> None:
        self.notes += self.keeper.look(self.joined, [], WORK)[1]

    def pass_time(self, seconds: int, each: Callable[[], object] = lambda: None) -> None:
        for _ in range(0, seconds, 2):
            self.now += 2.0
            each()
            self.look()

    @property
    def submitted(self) -> int:
        return sum(count for _, count in self.submissions)


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(tmp_path / "a run", monkeypatch, most=4)


def test_workers_that_can_never_work_are_given_up_with_words_on_what_to_do(four: Cluster) -> None:
    with pytest.raises(EngineError) as caught:
        four.pass_time(24 * 3600)
    assert four.submitted <= MAX_FAILED_PER_WORKER * 4 + 4
    assert four.now < 3600
    message = str(caught.value)
    assert f"{four.submitted} worker jobs ended without having begun a bundle" in message
    assert f"{four.submitted} as FAILED with exit code 3" in message
    assert f"are in {four.run_dir.logs}, the last is workers-104_3.log." in message
    assert "Correct what they say, then: hpckit resume a run" in message


def test_before_that_the_pauses_grow_and_each_is_noted(four: Cluster) -> None:
    with pytest.raises(EngineError):
        four.pass_time(24 * 3600)
    times = [at for at, _ in four.submissions]
    pauses = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert [round(pause, -1) for pause in pauses] == sorted(round(p, -1) for p in pauses)
    assert pauses[-1] > 2 * pauses[0] >= 60
    said = [note for note in four.notes if "without having begun a bundle" in note]
    assert len(said) == len(pauses)
    assert said[0].startswith("no more workers for 30 s: 4 worker jobs ended")


def test_a_few_that_fail_are_replaced_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, monkeypatch, most=1)
    cluster.pass_time(60)
    assert len(cluster.submissions) > FREE
    with pytest.raises(EngineError):
        cluster.pass_time(24 * 3600)
    assert cluster.submitted == MIN_ALLOWED_FAILURES + 1


@pytest.mark.parametrize(
    "end",
    [
        *(
            JobState(job_id="", state=word)
            for word in sorted(NOT_TASK_FAULT - {"REQUEUED", "UNKNOWN"})
        ),
        JobState(job_id="", state="COMPLETED", exit_code=0),
        JobState(job_id="", state="FAILED", exit_code=143),  # preempted while Python started
        JobState(job_id="", state="FAILED", signal=15),
    ],
    ids=lambda end: f"{end.state}-{end.exit_code}-{end.signal}",
)
def test_an_array_that_slurm_takes_away_again_and_again_is_submitted_again(
    four: Cluster, end: JobState
) -> None:
    four.end = end
    four.pass_time(600)
    if end.phase == "ended":
        assert four.submitted > 10 * MAX_FAILED_PER_WORKER * 4
    assert not any("without having begun" in note for note in four.notes)


def test_a_job_of_which_slurm_does_not_say_yet_how_it_failed_is_judged_later(
    four: Cluster,
) -> None:
    four.end = JobState(job_id="", state="FAILED")
    four.pass_time(20)
    four.jobs = {
        job: JobState(job_id=job, state="FAILED", exit_code=143) for job in four.jobs
    }  # fmt: skip
    four.end = JobState(job_id="", state="PENDING")
    four.pass_time(200)
    assert not any("without having begun" in note for note in four.notes)


@pytest.fixture
def all_at_work(four: Cluster) -> Cluster:
    """Four workers that have been here for long."""
    four.end = JobState(job_id="", state="RUNNING")
    four.pass_time(10)
    four.joined = set(four.jobs)
    four.pass_time(200)
    assert four.submitted == 4
    return four


def all_leave(cluster: Cluster) -> None:
    for job_id in cluster.joined:
        cluster.keeper.worker_left(job_id)
    cluster.joined = set()
    cluster.look()


def test_workers_that_are_all_requeued_at_once_come_back_and_no_others_with_them(
    all_at_work: Cluster,
) -> None:
    all_leave(all_at_work)
    all_at_work.pass_time(10)  # they still run, in their grace time
    all_at_work.jobs = {i: JobState(job_id=i, state="PENDING") for i in all_at_work.jobs}
    all_at_work.pass_time(200)
    assert all_at_work.submitted == 4
    all_at_work.joined = set(all_at_work.jobs)
    all_at_work.pass_time(200)
    assert all_at_work.submitted == 4


def test_workers_that_have_ended_are_replaced_within_seconds(all_at_work: Cluster) -> None:
    all_at_work.jobs = {i: JobState(job_id=i, state="TIMEOUT") for i in all_at_work.jobs}
    all_leave(all_at_work)
    assert all_at_work.submitted == 4, "Slurm has not said yet that they have ended"
    all_at_work.pass_time(6)
    assert all_at_work.submitted == 8


def test_a_worker_that_is_back_is_not_waited_for(all_at_work: Cluster) -> None:
    """It had lost the head for a moment only; then somebody adds one."""
    back = min(all_at_work.joined)
    all_at_work.keeper.worker_left(back)
    all_at_work.run_dir.workers.write_text('{"least": 1, "most": 5}')
    all_at_work.look()
    assert all_at_work.submitted == 5


def test_slurm_is_asked_no_more_often_where_workers_leave_all_the_time(
    all_at_work: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def states(ids: list[str], slurm_bin: str) -> dict[str, JobState]:
        asked.append(all_at_work.now)
        return dict(all_at_work.jobs)

    monkeypatch.setattr(autoscaler, "job_states", states)
    all_at_work.joined.pop()
    all_at_work.pass_time(100, lambda: all_at_work.keeper.worker_left("100_0"))
    assert 10 <= len(asked) <= 100 / autoscaler.FIRST_PAUSE_S


def test_workers_that_worked_and_then_failed_are_replaced_without_end(four: Cluster) -> None:
    def work() -> None:
        for job in four.jobs:
            four.keeper.began(job)

    four.pass_time(600, work)
    assert four.submitted > 10 * MAX_FAILED_PER_WORKER * 4


def test_while_somebody_here_can_work_the_run_goes_on_with_long_pauses(four: Cluster) -> None:
    """One node is sound, all others are not; its task takes for ever."""
    four.jobs["99_0"] = JobState(job_id="99_0", state="RUNNING")
    four.joined = {"99_0"}
    four.keeper.began("99_0")
    four.pass_time(24 * 3600)
    assert len(four.submissions) < 24 * 3600 / 900 + 10
    assert "worker jobs in a row ended" in four.notes[-1]


def test_the_first_bundle_of_a_new_worker_ends_the_pause(four: Cluster) -> None:
    four.pass_time(300)
    assert four.submissions[-1][0] < four.now - 20, "it pauses"
    four.keeper.began("100_0")
    four.pass_time(10)
    assert four.submissions[-1][0] >= four.now - 10


def test_what_failed_under_an_earlier_head_is_not_held_against_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = make_run_dir(tmp_path)
    record_job(run_dir, SubmittedJob(job_id="9", role="workers", submitted_at=1.0, array="0-99"))
    ended = {f"9_{i}": JobState(job_id=f"9_{i}", state="FAILED", exit_code=3) for i in range(100)}
    cluster = Cluster(tmp_path, monkeypatch, most=4)
    cluster.jobs |= ended
    cluster.keeper = Autoscaler(run_dir, make_plan(max_workers=4), lambda: cluster.now)
    cluster.end = JobState(job_id="", state="PENDING")
    cluster.pass_time(100)
    assert cluster.submissions
    assert not any("without having begun" in note for note in cluster.notes)


def test_one_more_worker_is_an_array_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, monkeypatch, most=1)
    cluster.end = JobState(job_id="", state="PENDING")
    cluster.pass_time(10)
    assert [job.array for job in read_jobs(cluster.run_dir)] == ["0"]


def test_a_job_that_cannot_be_written_down_is_cancelled_and_tried_again_later(
    four: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[str] = []
    monkeypatch.setattr(submission, "scancel", lambda ids, slurm_bin: cancelled.extend(ids))
    four.run_dir.jobs.mkdir()
    monkeypatch.setattr(autoscaler, "read_jobs", lambda _: [])
    four.pass_time(20)
    assert cancelled == ["100"]
    assert "no more workers for 30 s: cannot record job 100" in four.notes[-1]


def test_an_array_that_nobody_wrote_down_is_written_down_when_it_joins(four: Cluster) -> None:
    for job_id in ("55_1", "55_2", "56", "", "57_0"):
        four.keeper.worker_joined(job_id)
    assert [job.job_id for job in read_jobs(four.run_dir)] == ["55", "57"]
    assert {job.role for job in read_jobs(four.run_dir)} == {"workers"}


def test_refusals_of_sbatch_are_noted_and_the_pauses_grow(
    four: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise SchedulerError("Invalid account")

    monkeypatch.setattr(submission, "sbatch", refuse)
    four.pass_time(120)
    assert [note.partition(":")[0] for note in four.notes] == [
        "no more workers for 30 s",
        "no more workers for 60 s",
        "no more workers for 120 s",
    ]


def test_a_head_that_is_quicker_than_submit_does_not_submit_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, monkeypatch, most=4)
    cluster.keeper = Autoscaler(cluster.run_dir, make_plan(max_workers=4), lambda: cluster.now)
    cluster.pass_time(20)
    cluster.jobs = {f"9_{i}": JobState(job_id=f"9_{i}", state="PENDING") for i in range(4)}
    job = SubmittedJob(job_id="9", role="workers", submitted_at=1.0, array="0-3")
    record_job(cluster.run_dir, job)
    cluster.pass_time(100)
    assert cluster.submissions == []


@pytest.fixture
def no_submissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Where compute nodes may not submit; the one worker waits in the queue."""
    cluster = Cluster(tmp_path, monkeypatch, most=1, compute_nodes_submit=False)
    cluster.jobs = {"9_0": JobState(job_id="9_0", state="PENDING")}
    job = SubmittedJob(job_id="9", role="workers", submitted_at=1.0, array="0")
    record_job(cluster.run_dir, job)
    cluster.pass_time(24 * 3600)
    assert cluster.notes == []
    return cluster


def test_a_run_whose_workers_have_ended_and_cannot_be_replaced_says_so_and_stops(
    no_submissions: Cluster,
) -> None:
    no_submissions.jobs["9_0"] = JobState(job_id="9_0", state="TIMEOUT")
    since = no_submissions.now
    with pytest.raises(EngineError, match="no worker is left") as caught:
        no_submissions.pass_time(24 * 3600)
    assert caught.value.hint == "hpckit resume bag-1"
    assert 900 <= no_submissions.now - since < 1800
    (note,) = no_submissions.notes
    assert "`hpckit workers add N bag-1` does, on a login node" in note
    assert "stopped after 15 minutes" in note


def test_workers_that_are_added_in_time_keep_such_a_run_alive(no_submissions: Cluster) -> None:
    no_submissions.jobs["9_0"] = JobState(job_id="9_0", state="TIMEOUT")
    no_submissions.pass_time(300)
    no_submissions.jobs["10_0"] = JobState(job_id="10_0", state="PENDING")
    no_submissions.pass_time(24 * 3600)
    no_submissions.joined = {"10_0"}
    no_submissions.pass_time(24 * 3600)
    assert len(no_submissions.notes) == 1
    assert no_submissions.submissions == []
