from hpckit.run.events import Explained, Joined, Left
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import Counts
from hpckit.run.state import RunState
from hpckit.run.status import RunStatus
from hpckit.slurm.states import JobState
from tests.unit.factories import make_plan


def end_reason(job: JobState, *reasons: str) -> str:
    """Return the end reason of a worker in the status, given the journal's and Slurm's reasons."""
    state = RunState(10)
    joined = Joined(t=1.0, worker="57_1-n1", job_id="57_1", node="n1", cores=2, memory_mib=10)
    state.apply(joined, 1)
    state.apply(Left(t=2.0, worker="57_1-n1", orderly=True, why="warned by SIGTERM"), 1)
    for reason in reasons:
        state.apply(Explained(t=3.0, worker="57_1-n1", reason=reason), 1)
    plan = make_plan()
    status = RunStatus(
        RunDir(plan.run_dir), plan, "running", "", Counts(), state, (), {job.job_id: job}
    )  # type: ignore[arg-type]
    return str(status.to_dict()["workers"][0]["end_reason"])


def test_a_preempted_worker_is_reported_as_preempted_even_if_its_job_runs_again() -> None:
    assert end_reason(JobState(job_id="57_1", state="RUNNING"), "PREEMPTED") == "PREEMPTED"
    assert end_reason(JobState(job_id="57_1", state="COMPLETED"), "PREEMPTED") == "PREEMPTED"


def test_without_a_reason_in_the_journal_slurms_reason_counts_and_then_the_workers_own() -> None:
    assert end_reason(JobState(job_id="57_1", state="TIMEOUT")) == "TIMEOUT"
    assert end_reason(JobState(job_id="57_1", state="TIMEOUT"), "UNKNOWN") == "TIMEOUT"
    assert end_reason(JobState(job_id="57_1", state="RUNNING")) == "warned by SIGTERM"
