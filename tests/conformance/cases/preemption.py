"""A higher tier takes the nodes of a preemptible job: warning, grace, requeue."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import UNTIL_GO, Job, Slurm, until

WHOLE = ("-N4", "--exclusive")
STEP = """
srun --overlap bash -c '
  trap "echo step heard TERM" TERM; echo up; for i in {1..400}; do sleep 0.1; done'"""
BATCH = "trap 'echo batch heard TERM' TERM\n"


def preempt(slurm: Slurm, victim: Job) -> Job:
    """Submit a job that needs all nodes, to a higher tier, and wait until it runs."""
    del victim
    return slurm.sbatch(*WHOLE, "-p", "high", "--wrap=sleep 2").becomes("RUNNING")


@case("state PREEMPTED", "signal preemption", "state REQUEUED", alone=True)
def a_preempted_job_is_requeued_and_runs_again(slurm: Slurm) -> None:
    script = 'echo start $SLURM_RESTART_COUNT; [ -n "$SLURM_RESTART_COUNT" ] || sleep 100'
    job = slurm.sbatch("-p", "low", "--open-mode=append", script=script).says("start")
    preempt(slurm, job)
    assert job.end(90) == "COMPLETED"
    assert [line for line in job.lines() if "start" in line] == ["start", "start 1"]
    assert "DUE TO PREEMPTION ***" in job.output()
    states = [row.split("|")[0] for row in job.acct("state", "-X", "-D")]
    assert states == ["PREEMPTED", "COMPLETED"]


@case("signal preemption", alone=True)
def steps_hear_term_at_the_start_of_the_grace_time_the_batch_shell_at_its_end(slurm: Slurm) -> None:
    script = BATCH + STEP + " &\nfor i in {1..400}; do sleep 0.1; done"
    job = slurm.sbatch("-p", "low", script=script).says("up")
    slurm.sbatch(*WHOLE, "-p", "high", "--wrap=sleep 2")
    job.says("step heard TERM")
    assert "batch heard TERM" not in job.output()
    assert job.state() == "RUNNING"
    job.says("batch heard TERM")


@case("sbatch --no-requeue", "env SBATCH_NO_REQUEUE", "state PREEMPTED", alone=True)
def one_that_may_not_be_requeued_ends_preempted(slurm: Slurm) -> None:
    job = slurm.sbatch("-p", "low", "--no-requeue", "--wrap=sleep 100").becomes("RUNNING")
    preempt(slurm, job)
    assert job.end() == "PREEMPTED"
    assert job.acct("state", "-X") == ["PREEMPTED"]
    job = slurm.sbatch("-H", "--wrap=true", env={"SBATCH_NO_REQUEUE": "1"})
    assert job.detail("Requeue") == "0"


@case("reason BeginTime", "squeue %S", alone=True)
def a_requeued_job_waits_for_its_begin_time(slurm: Slurm) -> None:
    job = slurm.sbatch("-p", "low", "--wrap=sleep 100").becomes("RUNNING")
    preempt(slurm, job)
    job.waits_for("BeginTime")
    assert job.detail("Restarts") == "1"


@case("signal preemption", alone=True)
def a_job_that_ends_within_the_grace_time_has_its_own_end(slurm: Slurm) -> None:
    script = """
    srun bash -c 'trap "exit 0" TERM; echo up; for i in {1..400}; do sleep 0.1; done'
    echo tidy"""
    job = slurm.sbatch("-p", "low", script=script).says("up")
    slurm.sbatch(*WHOLE, "-p", "high", "--wrap=sleep 1")
    until("its end", lambda: job.state() != "RUNNING", 30)  # sooner than by itself
    assert job.end(30) == "COMPLETED"
    assert "tidy" in job.output()


@case("squeue %p", alone=True)
def the_same_tier_does_not_preempt(slurm: Slurm) -> None:
    slurm.sbatch("-p", "low", *WHOLE, f"--wrap={UNTIL_GO}").becomes("RUNNING")
    two = slurm.sbatch("-p", "low", *WHOLE, "--wrap=true").waits_for("Resources")
    slurm.go()
    assert two.end() == "COMPLETED"


@case("reason Resources", alone=True)
def a_partition_that_may_not_be_preempted_is_waited_for(slurm: Slurm) -> None:
    one = slurm.sbatch("-p", "debug", *WHOLE, f"--wrap={UNTIL_GO}").becomes("RUNNING")
    two = slurm.sbatch("-p", "high", *WHOLE, "--wrap=true").waits_for("Resources")
    slurm.go()
    assert two.end() == "COMPLETED"
    assert one.state() == "COMPLETED"


@case("sbatch --array", alone=True)
def only_as_many_jobs_are_preempted_as_are_needed(slurm: Slurm) -> None:
    array = slurm.sbatch(
        "-p", "low", "--exclusive", "--array=0-3", "-o", "/dev/null", "--wrap=sleep 60"
    )
    until("all to run", lambda: array.states() == {"RUNNING"})
    slurm.sbatch("-p", "high", "-N1", "--exclusive", "--wrap=sleep 60").becomes("RUNNING")
    assert array.shown("%T", "-r").split().count("RUNNING") == 3
