from hpckit.run.events import Explained, Joined, Left
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import Counts
from hpckit.run.state import RunState
from hpckit.run.status import RunStatus
from hpckit.slurm.states import JobState
from tests.unit.factories import make_plan


def end_reason(job: JobState, *reasons: str) -> str:
    """Return what status says of a worker that left, given what the journal and Slurm know."""
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


def test_a_preempted_worker_is_told_as_such_also_when_its_job_came_back() -> None:
    assert end_reason(JobState(job_id="57_1", state="RUNNING"), "PREEMPTED") == "PREEMPTED"
    assert end_reason(JobState(job_id="57_1", state="COMPLETED"), "PREEMPTED") == "PREEMPTED"


def test_before_the_journal_knows_slurm_is_heard_and_else_the_worker_itself() -> None:
    assert end_reason(JobState(job_id="57_1", state="TIMEOUT")) == "TIMEOUT"
    assert end_reason(JobState(job_id="57_1", state="TIMEOUT"), "UNKNOWN") == "TIMEOUT"
    assert end_reason(JobState(job_id="57_1", state="RUNNING")) == "warned by SIGTERM"
