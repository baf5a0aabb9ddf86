from __future__ import annotations

import json
import os
import signal
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from hpckit.errors import InputError, SchedulerError, StorageError
from hpckit.launch.inputs import changed_inputs
from hpckit.launch.submit import resubmit
from hpckit.model.bag import Bag
from hpckit.model.site import Site
from hpckit.model.sweep import read_axis
from hpckit.model.task import Task
from hpckit.run.jobs import newest_head_job, read_jobs
from hpckit.run.rundir import RunDir
from tests.unit.launch.conftest import COUNTING, Case
from tests.unit.slurm.fake import FakeSlurm


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_head_then_workers_are_submitted_and_written_down(case: Case, slurm: FakeSlurm) -> None:
    done = case.submit(case.plan())
    scripts = done.run_dir.scripts
    assert slurm.asked == [
        f"sbatch --parsable {scripts}/head.sh",
        f"sbatch --parsable --array=0-2 --dependency=after:101 {scripts}/workers.sh",
    ]
    assert [(job.job_id, job.role, job.array) for job in read_jobs(done.run_dir)] == [
        ("101", "head", ""),
        ("102", "workers", "0-2"),
    ]
    assert newest_head_job(done.run_dir) == "101"


def test_workers_beyond_maxarraysize_go_in_slices(case: Case, slurm: FakeSlurm) -> None:
    case.submit(replace(case.plan(), workers=7, max_array_size=3))
    arrays = [word for line in slurm.asked for word in line.split() if "--array" in word]
    assert arrays == ["--array=0-2", "--array=0-2", "--array=0"]
    assert all("--dependency=after:101" in line for line in slurm.asked[1:])


def test_the_run_directory_holds_everything_and_is_private(case: Case) -> None:
    plan = case.plan()
    run_dir = case.submit(plan).run_dir
    assert mode(run_dir.root) == 0o700
    assert run_dir.read_plan() == plan
    assert json.loads(run_dir.bag.read_bytes())["each"] == {"file": {"glob": "*.npy"}}
    assert Site.from_json(run_dir.site.read_bytes()) == case.site
    folders = (run_dir.journal, run_dir.output, run_dir.spool, run_dir.logs)
    assert all(list(folder.iterdir()) == [] for folder in folders)
    assert list(run_dir.address.parent.iterdir()) == []
    tasks = [Task.from_dict(json.loads(line)) for line in run_dir.tasks.read_text().splitlines()]
    assert [task.argv[1] for task in tasks] == [
        str(case.runs.parent.parent / f"{name}.npy") for name in ("a", "b", "c")
    ]
    about = json.loads(run_dir.provenance.read_text())
    assert about["argv"] == ["hpckit", "submit"]
    assert about["packages"]["hpckit"]


def test_each_run_has_secrets_of_its_own_and_scripts_hold_none(case: Case) -> None:
    runs = [case.submit(case.plan(name)).run_dir for name in ("r1", "r2")]
    found = set()
    for run_dir in runs:
        for path in run_dir.secrets.iterdir():
            assert mode(path) == 0o600
            text = path.read_text()
            assert len(text) == 64
            assert text.isalnum()  # no newline: Work Queue takes the file verbatim
            found.add(text)
            for script in run_dir.scripts.iterdir():
                assert text not in script.read_text()
    assert len(found) == 4  # the key of the run and the engine's, of each run


def test_a_refusal_leaves_nothing_behind(case: Case, slurm: FakeSlurm) -> None:
    slurm.answer("sbatch", stderr="sbatch: error: invalid partition specified\n", code=1)
    with pytest.raises(SchedulerError, match="invalid partition"):
        case.submit(case.plan())
    assert not case.runs.parent.exists()
    slurm.script("sbatch", COUNTING)
    case.submit(case.plan())  # the name is free again


def test_a_fault_of_the_bag_leaves_nothing_behind(case: Case, slurm: FakeSlurm) -> None:
    same = {"task": {"command": ["true"], "outputs": ["x"]}, "each": {"i": {"range": "1-2"}}}
    case.bag = Bag.model_validate({**case.bag.model_dump(by_alias=True), **same})
    with pytest.raises(InputError, match="would both write"):
        case.submit(case.plan())
    assert not case.runs.parent.exists()
    assert slurm.asked == []


def test_when_the_workers_are_refused_the_head_is_cancelled(case: Case, slurm: FakeSlurm) -> None:
    slurm.script("sbatch", 'case "$*" in *--array*) echo no >&2; exit 1;; esac\n' + COUNTING)
    with pytest.raises(SchedulerError, match="no"):
        case.submit(case.plan())
    assert slurm.asked[-1] == "scancel 101"
    run_dir = RunDir(case.runs / "r")
    assert run_dir.cancel.exists()  # it stays: the head's job may be writing there
    assert [job.job_id for job in read_jobs(run_dir)] == ["101"]


def test_an_interrupt_during_sbatch_cancels_what_it_submitted(case: Case, slurm: FakeSlurm) -> None:
    slurm.script("sbatch", f"kill -INT {os.getpid()}; sleep 0.2\n" + COUNTING)
    with pytest.raises(KeyboardInterrupt):
        case.submit(case.plan())
    assert [line.split()[0] for line in slurm.asked] == ["sbatch", "scancel"]
    assert slurm.asked[-1] == "scancel 101"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_name_that_is_taken_is_refused_and_the_run_is_kept(case: Case, slurm: FakeSlurm) -> None:
    case.submit(case.plan())
    with pytest.raises(InputError, match="there is a run 'r' already"):
        case.submit(case.plan())
    assert RunDir(case.runs / "r").plan.exists()
    assert len(slurm.asked) == 2


def test_inputs_that_are_not_there_are_told_and_submitted_all_the_same(case: Case) -> None:
    assert case.submit(case.plan("all")).notes == ()
    files = read_axis(["a.npy", "gone.npy", "lost.npy"])
    case.bag = case.bag.model_copy(update={"each": {"file": files}})
    (note,) = case.submit(case.plan("some")).notes
    assert note.startswith("2 tasks have inputs that cannot be found now (task 1: ")
    assert "/gone.npy)" in note


def test_a_directory_that_cannot_be_made_is_a_storage_error(case: Case) -> None:
    case.runs.parent.write_text("a file where the runs should be")
    with pytest.raises(StorageError, match="cannot make"):
        case.submit(case.plan())


def test_the_same_scripts_are_submitted_anew(case: Case, slurm: FakeSlurm) -> None:
    run_dir = case.submit(case.plan()).run_dir
    before = {path.name: path.read_text() for path in run_dir.scripts.iterdir()}
    again = resubmit(run_dir)
    assert [job.job_id for job in again.jobs] == ["103", "104"]
    assert newest_head_job(run_dir) == "103"
    assert "--dependency=after:103" in slurm.asked[-1]
    assert {path.name: path.read_text() for path in run_dir.scripts.iterdir()} == before


def test_an_allocation_is_one_job(case: Case, slurm: FakeSlurm) -> None:
    done = case.submit(case.plan(backend="ray"))
    assert [job.role for job in done.jobs] == ["allocation"]
    assert len(slurm.asked) == 1


def test_inputs_that_changed_since_are_named(case: Case) -> None:
    run_dir = case.submit(case.plan()).run_dir
    assert list(changed_inputs(run_dir)) == []
    work = case.runs.parent.parent
    (work / "b.npy").write_text("longer than before")
    (work / "c.npy").unlink()
    found = list(changed_inputs(run_dir))
    assert [(task.index, task.inputs) for task in found] == [
        (1, (str(work / "b.npy"),)),
        (2, (str(work / "c.npy"),)),
    ]


@pytest.mark.parametrize("change", ["d.npy", "-c.npy"])
def test_files_that_come_or_go_while_one_submits_leave_nothing_behind(
    case: Case, slurm: FakeSlurm, change: str
) -> None:
    plan = case.plan()
    if change.startswith("-"):
        (case.work / change[1:]).unlink()
    else:
        (case.work / change).touch()
    now = 2 if change.startswith("-") else 4
    with pytest.raises(InputError) as caught:
        case.submit(plan)
    assert str(caught.value) == (
        f"the bag had 3 tasks when they were counted, and {now} when they were written down: "
        "what it runs over has changed meanwhile\n"
        "Submit it again when nothing else writes there."
    )
    assert not case.runs.parent.exists()
    assert slurm.asked == []
