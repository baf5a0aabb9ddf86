"""Job arrays: which tasks there are, what each sees, how the queue writes them."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import UNTIL_GO, Slurm, until

SHOW = "--wrap=echo $SLURM_ARRAY_TASK_ID"


@case("sbatch --array", "env SLURM_ARRAY_TASK_ID", "pattern %A", "pattern %a")
def each_index_is_a_job_with_an_output_of_its_own(slurm: Slurm) -> None:
    job = slurm.sbatch("--array=1-3", SHOW)
    assert job.end() == "COMPLETED"
    assert slurm.files("slurm-*") == [f"slurm-{job.id}_{i}.out" for i in (1, 2, 3)]
    assert [slurm.read(f"slurm-{job.id}_{i}.out") for i in (1, 2, 3)] == ["1\n", "2\n", "3\n"]


@case("sbatch --array", "env SBATCH_ARRAY_INX")
def indices_are_lists_ranges_and_steps(slurm: Slurm) -> None:
    job = slurm.sbatch("-a", "1,5-11:3,20", "-H", SHOW)
    assert job.shown("%K", "-r").split() == ["1", "5", "8", "11", "20"]
    job = slurm.sbatch("-H", SHOW, env={"SBATCH_ARRAY_INX": "2-3"})
    assert job.shown("%K", "-r").split() == ["2", "3"]


@case("env SLURM_ARRAY_JOB_ID", "env SLURM_ARRAY_TASK_COUNT", "env SLURM_ARRAY_TASK_MIN",
      "env SLURM_ARRAY_TASK_MAX", "env SLURM_ARRAY_TASK_STEP")  # fmt: skip
def a_task_knows_its_array(slurm: Slurm) -> None:
    show = "--wrap=echo $SLURM_ARRAY_JOB_ID $(env | sort | grep -o 'TASK_[CM].*\\|TASK_STEP.*')"
    job = slurm.sbatch("--array=2-10:4", "-o", "%a", show)
    assert job.end() == "COMPLETED"
    assert slurm.read("6") == f"{job.id} TASK_COUNT=3 TASK_MAX=10 TASK_MIN=2 TASK_STEP=4\n"


@case("env SLURM_ARRAY_TASK_STEP")
def a_list_of_indices_has_step_one(slurm: Slurm) -> None:
    show = "--wrap=echo $SLURM_ARRAY_TASK_COUNT $SLURM_ARRAY_TASK_STEP"
    job = slurm.sbatch("--array=3,7,8", "-o", "%a", show)
    assert job.end() == "COMPLETED"
    assert slurm.read("7") == "3 1\n"


@case("squeue %i", "squeue %K", "squeue %F", "squeue %A")
def waiting_tasks_are_one_line_and_running_ones_one_each(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--array=3-9%2", SHOW)
    assert job.shown("%i|%K|%F|%A|%T") == f"{job.id}_[3-9%2]|3-9%2|{job.id}|{job.id}|PENDING"
    assert job.shown("%i", "-r").split() == [f"{job.id}_{i}" for i in range(3, 10)]
    job.cancel()
    odd = slurm.sbatch("-H", "--array=1,3-5,9", SHOW)
    assert odd.shown("%i") == f"{odd.id}_[1,3-5,9]"


@case("reason JobArrayTaskLimit", "sbatch --array")
def a_throttle_limits_how_many_run_at_once(slurm: Slurm) -> None:
    job = slurm.sbatch("--array=0-2%1", f"--wrap={UNTIL_GO}")
    until("its first task", lambda: "RUNNING" in job.states())
    until("the reason", lambda: "JobArrayTaskLimit" in job.shown("%r").split())
    assert job.shown("%T", "-r").split().count("RUNNING") == 1
    lines = sorted(job.shown("%i %t").splitlines())
    assert lines == [f"{job.id}_0 R", f"{job.id}_[1-2%1] PD"]


@case("scancel array-task", "state CANCELLED")
def one_task_or_a_range_of_them_is_cancelled(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--array=0-5", SHOW)
    slurm.ok("scancel", f"{job.id}_2")
    until("one less", lambda: len(job.shown("%i", "-r", "-t", "PD").split()) == 5)
    slurm.ok("scancel", f"{job.id}_[0-1,4]")
    until("two left", lambda: len(job.shown("%i", "-r", "-t", "PD").split()) == 2)
    assert job.shown("%i", "-t", "PD") == f"{job.id}_[3,5]"


@case("sacct JobID", "sacct JobIDRaw")
def accounting_names_tasks_by_array_and_index(slurm: Slurm) -> None:
    job = slurm.sbatch("--array=4,6", "--wrap=exit $((SLURM_ARRAY_TASK_ID == 6))")
    job.end()
    rows = sorted(job.acct("jobid,state,exitcode", "-X"))
    assert rows == [f"{job.id}_4|COMPLETED|0:0", f"{job.id}_6|FAILED|1:0"]
    raw = dict(row.split("|") for row in job.acct("jobid,jobidraw", "-X"))
    assert len(set(raw.values())) == 2
    assert job.id in raw.values()


@case("env SLURM_JOB_ID", "env SLURM_JOBID", "env SLURM_ARRAY_JOB_ID")
def the_last_task_carries_the_array_s_own_id(slurm: Slurm) -> None:
    job = slurm.sbatch("--array=0-1", "-o", "%a", "--wrap=echo $SLURM_JOB_ID $SLURM_JOBID")
    assert job.end() == "COMPLETED"
    assert slurm.read("1") == f"{job.id} {job.id}\n"
    assert slurm.read("0") != slurm.read("1")


@case("scontrol update-ArrayTaskThrottle")
def the_throttle_can_be_changed(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--array=0-5%2", SHOW)
    slurm.ok("scontrol", "update", f"jobid={job.id}", "arraytaskthrottle=4")
    assert job.shown("%i") == f"{job.id}_[0-5%4]"
    slurm.ok("scontrol", "update", f"jobid={job.id}", "ArrayTaskThrottle=0")
    assert job.shown("%i") == f"{job.id}_[0-5]"


@case("error array-too-large", "error invalid-array", "sbatch --array")
def indices_stop_below_max_array_size(slurm: Slurm) -> None:
    for bad in ("1001", "0-1001", "5-1", "x", "1-", "-3", "1-5:0"):
        said = slurm.refuses(f"--array={bad}", "--wrap=true")
        assert "Invalid job array specification" in said.err
    job = slurm.sbatch("-H", "--array=1000", "--wrap=true")
    assert job.shown("%K") == "1000"


@case("scontrol requeue")
def one_task_of_an_array_is_requeued(slurm: Slurm) -> None:
    job = slurm.sbatch(
        "--array=0-1", "-o", "%a", "--open-mode=append", "--wrap=echo start; sleep 100"
    )
    until("both to run", lambda: job.states() == {"RUNNING"})
    slurm.ok("scontrol", "requeue", f"{job.id}_1")
    until("it to wait", lambda: job.state() == "PENDING RUNNING")
    slurm.ok("scancel", f"{job.id}_1")
