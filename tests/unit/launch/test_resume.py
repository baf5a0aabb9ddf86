"""The request of `hpckit resume` to the next head, and what it must not forget on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hpckit.errors import InputError, SchedulerError
from hpckit.head.recovery import HeadIdentity, RecoveredRun, recover_run
from hpckit.launch.resume import Resumed, cancel_run, resume_run
from hpckit.model.site import Partition
from hpckit.protocol.result import OK
from hpckit.run.events import Ended, Returned, Row
from hpckit.run.jobs import newest_head_job
from hpckit.run.rundir import RunDir
from hpckit.run.spool import SpoolWriter
from hpckit.run.state import WAITING
from hpckit.run.status import read_status
from tests.unit.factories import make_result
from tests.unit.launch.conftest import COUNTING, Case
from tests.unit.slurm.fake import FakeSlurm

AWAY = "sbatch: error: Unable to contact slurm controller\n"


class Run:
    """A submitted run of three tasks, whose heads a test plays."""

    def __init__(self, case: Case, slurm: FakeSlurm, **plan: Any) -> None:
        for command in ("squeue", "sacct"):
            slurm.answer(command)
        self.slurm = slurm
        self.work = case.work
        self.dir: RunDir = case.submit(case.plan(**plan)).run_dir

    @contextmanager
    def head(self) -> Iterator[RecoveredRun]:
        """Let the newest head's job start, and leave in the end."""
        me = HeadIdentity(
            nonce="n", job_id=newest_head_job(self.dir), node="n1", pid=1, hosts=("n1",)
        )
        taken = recover_run(self.dir, self.dir.read_plan(), me)
        try:
            yield taken
        finally:
            taken.close()

    def ends(self, state: str, *kinds: str) -> None:
        """Let a head end the run after a result of each kind, the first of task 0."""
        with self.head() as taken:
            for index, kind in enumerate(kinds):
                row = Row.of(make_result(index, kind), final=True, output_at=-1)
                taken.journal.append(Returned(t=1.0, bundle=f"1-{index}", worker="w", rows=[row]))
            taken.journal.append(Ended(t=2.0, state=state, why=""))

    def edit(self, name: str) -> None:
        path: Path = self.work / f"{name}.npy"
        path.write_text(path.read_text() + " and more")

    def controller_away(self) -> None:
        self.slurm.answer("sbatch", stderr=AWAY, code=1)

    def controller_back(self) -> None:
        self.slurm.script("sbatch", COUNTING)

    def resume(self, **asked: Any) -> Resumed:
        return resume_run(self.dir, **asked)

    def times(self) -> list[str]:
        """Return the time limits of the scripts, the head's first."""
        texts = [self.dir.script(job.role).read_text() for job in self.dir.read_plan().jobs]
        return [line for text in texts for line in text.splitlines() if "--time=" in line]

    def runs_next(self) -> list[int]:
        """Return the tasks that the newest head has to run, and end the run."""
        with self.head() as taken:
            status = bytes(taken.task_scheduler.state.status)
            taken.journal.append(Ended(t=3.0, state="cancelled", why=""))
        return [index for index, word in enumerate(status) if word == WAITING]


@pytest.fixture
def run(case: Case, slurm: FakeSlurm) -> Run:
    return Run(case, slurm)


def test_a_changed_input_runs_its_task_again_once(run: Run) -> None:
    run.ends("done", OK, OK, OK)
    run.edit("b")
    run.resume(changed=True)
    assert run.runs_next() == [1]
    run.ends("done", OK, OK, OK)
    assert run.resume(changed=True).notes[-1] == "r: nothing is left to do"


def test_a_done_task_whose_output_is_gone_runs_again_when_asked(
    case: Case, slurm: FakeSlurm
) -> None:
    task = {"task": case.bag.task.model_copy(update={"outputs": ("{file.stem}.out",)})}
    case.bag = case.bag.model_copy(update=task)
    run = Run(case, slurm)
    for name in "abc":
        (run.work / f"{name}.out").touch()
    run.ends("failed", OK, OK, "error")
    assert run.resume().notes == (
        "1 task failed for good; `hpckit resume r --failed` runs it again",
        "r: nothing is left to do",
    )
    for name in "bc":  # the failed one's is not asked for
        (run.work / f"{name}.out").unlink()
    assert "outputs of done tasks are gone: 1; --missing runs them again" in run.resume().notes
    assert run.resume(missing=True).jobs
    assert run.runs_next() == [1]


def test_what_changed_is_not_forgotten_when_slurm_refuses(run: Run) -> None:
    run.ends("done", OK, OK, OK)
    run.edit("b")
    run.controller_away()
    with pytest.raises(SchedulerError, match="Unable to contact"):
        run.resume(changed=True)
    run.controller_back()
    assert run.resume(changed=True).jobs
    assert run.runs_next() == [1]


def test_what_changed_is_not_forgotten_when_the_run_is_cancelled_before_its_head(run: Run) -> None:
    run.ends("done", OK, OK, OK)
    run.edit("b")
    run.resume(changed=True)
    cancel_run(run.dir)
    run.edit("c")
    found = run.resume(changed=True)
    assert found.jobs
    assert run.runs_next() == [1, 2]


def test_a_plain_resume_carries_out_what_an_earlier_one_asked_for(run: Run) -> None:
    run.ends("failed", OK, "error")
    run.edit("a")
    run.resume(failed=True, changed=True)
    cancel_run(run.dir)
    found = run.resume()
    assert found.notes == (
        "an earlier `hpckit resume --failed --changed` has not begun; it is carried out too",
    )
    assert run.runs_next() == [0, 1, 2]


def test_what_was_carried_out_is_not_asked_for_again(run: Run) -> None:
    run.ends("failed", OK, "error", "error")
    run.resume(failed=True)
    run.ends("failed", OK, "error")
    run.resume()
    assert run.runs_next() == [2]


def test_a_cancelled_run_stays_cancelled_when_slurm_refuses_to_resume_it(run: Run) -> None:
    cancel_run(run.dir)
    run.controller_away()
    with pytest.raises(SchedulerError):
        run.resume()
    assert read_status(run.dir).state == "cancelled"


def test_a_run_with_too_many_failures_names_the_way_on(case: Case, slurm: FakeSlurm) -> None:
    run = Run(case, slurm, max_failures="2")
    run.ends("failed", "error", "error")
    asked = len(slurm.asked)
    with pytest.raises(InputError) as caught:
        run.resume()
    assert str(caught.value) == (
        "run r has 2 failed tasks, and --max-failures is 2: it would end again at once\n"
        "Run them again, too: hpckit resume r --failed"
    )
    assert not [line for line in slurm.asked[asked:] if line.startswith("sbatch")]
    assert run.resume(failed=True).jobs
    assert run.runs_next() == [0, 1, 2]


def test_outputs_that_are_gone_need_no_inputs(case: Case, slurm: FakeSlurm) -> None:
    task = {"task": case.bag.task.model_copy(update={"inputs": (), "outputs": ("{file.stem}.o",)})}
    case.bag = case.bag.model_copy(update=task)
    run = Run(case, slurm)
    run.ends("done", OK, OK, OK)
    assert run.resume(missing=True).jobs
    assert run.runs_next() == [0, 1, 2]


def test_a_run_goes_on_with_another_walltime(run: Run) -> None:
    run.ends("failed", OK, OK, "timeout")
    edited = run.dir.script("workers")
    edited.write_text(edited.read_text() + "# by hand\n")
    assert run.times() == ["#SBATCH --time=01:00:00"] * 2
    assert run.resume(failed=True, walltime_s=4 * 3600).jobs
    plan = run.dir.read_plan()
    assert run.times() == ["#SBATCH --time=04:00:00"] * 2
    assert (plan.head.walltime_s, plan.worker.walltime_s) == (14400, 14400)
    assert [line for job in plan.jobs for line in job.directives if "--time" in line] == [
        "--time=04:00:00"
    ] * 2
    assert edited.read_text().endswith("# by hand\n"), "what else was changed stays"
    assert run.runs_next() == [2]


@pytest.mark.parametrize(("failed", "again"), [(True, [2]), (False, [])])
def test_a_failure_that_only_a_spool_knows_of_is_one_of_those_that_failed(
    run: Run, failed: bool, again: list[int]
) -> None:
    """The head had left at its walltime before the worker could tell it."""
    run.ends("cancelled", OK, OK)
    spool = SpoolWriter(run.dir.spool_file("w"))
    spool.started("1-9")
    spool.finished("1-9", make_result(2, "timeout", started_at=3.0))
    spool.close()
    assert run.resume(failed=failed).jobs
    assert run.runs_next() == again


def test_the_hint_to_run_failures_again_keeps_the_walltime(run: Run) -> None:
    run.ends("failed", OK, OK, "timeout")
    notes = run.resume(walltime_s=7200).notes
    assert "`hpckit resume r --failed --walltime 7200s` runs it again" in notes[0]
    assert run.times() == ["#SBATCH --time=01:00:00"] * 2


def test_the_limit_is_that_of_the_queue_with_the_run_s_qos_and_constraint(
    case: Case, slurm: FakeSlurm
) -> None:
    entries = {
        "cpu": Partition(partition="", qos="q", constraint="cpu", max_walltime=7200),
        "gpu": Partition(partition="", qos="q", constraint="gpu", max_walltime=3600),
        "all": Partition(partition="", max_walltime=1800),
    }
    case.site = case.site.model_copy(update={"partitions": entries, "default_partition": "cpu"})
    run = Run(case, slurm)
    run.ends("failed", OK, OK, "timeout")
    run.resume(failed=True, walltime_s=86400)
    assert run.times() == ["#SBATCH --time=02:00:00"] * 2


def test_a_walltime_that_slurm_refuses_leaves_the_run_as_it_was(run: Run) -> None:
    run.ends("failed", OK, OK, "timeout")
    before = run.dir.plan.read_text()
    run.slurm.answer("sbatch", stderr="sbatch: error: Requested time limit is invalid\n", code=1)
    with pytest.raises(SchedulerError, match="time limit is invalid"):
        run.resume(failed=True, walltime_s=10**6)
    assert run.dir.plan.read_text() == before
    assert run.times() == ["#SBATCH --time=01:00:00"] * 2
    run.controller_back()
    assert run.resume().jobs
    assert run.runs_next() == [2]


def test_a_short_walltime_warns_the_head_sooner(run: Run) -> None:
    run.ends("failed", OK, OK, "timeout")
    run.resume(failed=True, walltime_s=240)
    assert run.dir.read_plan().warning_s == 60
    assert "#SBATCH --signal=B:USR2@60\n" in run.dir.script("head").read_text()


def test_a_walltime_is_cut_to_what_the_partition_allows(case: Case, slurm: FakeSlurm) -> None:
    partitions = {"day": Partition(max_walltime=86400), "week": Partition()}
    case.site = case.site.model_copy(update={"partitions": partitions, "default_partition": "day"})
    run = Run(case, slurm)
    run.ends("failed", OK, OK, "timeout")
    notes = run.resume(failed=True, walltime_s=10 * 86400).notes
    assert notes == ("walltime: 1d 0h, not 10d 0h; partition 'day' allows no more",)
    assert run.times() == ["#SBATCH --time=1-00:00:00"] * 2
