"""--time in all its forms, and what happens when it is over."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm


@case("sbatch --time", "squeue %l")
def every_form_of_time_is_read(slurm: Slurm) -> None:
    forms = {
        "5": "5:00", "3:00": "3:00", "1:30": "2:00", "2:00:00": "2:00:00", "0-12": "12:00:00",
        "0-3:30": "3:30:00", "0-1:02:03": "1:03:00", "90": "1:30:00", "0:05": "1:00",
    }  # fmt: skip
    found = {text: slurm.sbatch("-H", "-t", text, "--wrap=true").shown("%l") for text in forms}
    assert found == forms


@case("sbatch --time", "error invalid-time")
def what_is_no_time_is_refused(slurm: Slurm) -> None:
    for bad in ("abc", "1-2-3", "1:2:3:4", "5m"):
        said = slurm.refuses("--time", bad, "--wrap=true")
        assert (said.code, said.err) == (255, "sbatch: error: Invalid --time specification\n")


@case("squeue %l")
def the_partition_gives_the_limit_that_nobody_asked_for(slurm: Slurm) -> None:
    assert slurm.sbatch("-H", "--wrap=true").shown("%l") == "1:00:00"
    assert slurm.sbatch("-H", "-p", "short", "--wrap=true").shown("%l") == "1:00"


@case("reason PartitionTimeLimit")
def a_limit_beyond_the_partition_s_waits(slurm: Slurm) -> None:
    job = slurm.sbatch("-p", "short", "-t", "10", "--wrap=true")
    job.waits_for("PartitionTimeLimit")
    slurm.ok("scontrol", "update", f"jobid={job.id}", "timelimit=1")
    assert job.end() == "COMPLETED"


@case("state TIMEOUT", "signal time-limit", "sacct State", "sacct ExitCode")
def a_job_beyond_its_limit_hears_term_and_times_out(slurm: Slurm) -> None:
    script = """
    trap 'echo batch heard TERM' TERM
    srun --overlap bash -c 'trap "echo step heard TERM; exit 3" TERM
      for i in {1..900}; do sleep 0.1; done' &
    for i in {1..900}; do sleep 0.1; done
    """
    job = slurm.sbatch("-t1", script=script)
    assert job.end() == "TIMEOUT"
    assert "step heard TERM" in job.output()
    assert "batch heard TERM" in job.output()
    assert "DUE TO TIME LIMIT ***" in job.output()
    assert job.acct("state,exitcode", "-X") == ["TIMEOUT|0:0"]
    assert job.reason() == "TimeLimit"


@case("state TIMEOUT", "reason TimeLimit")
def a_job_that_ends_itself_at_term_still_timed_out(slurm: Slurm) -> None:
    job = slurm.sbatch("-t1", script="trap 'exit 0' TERM; for i in {1..900}; do sleep 0.1; done")
    assert job.end() == "TIMEOUT"


@case("scontrol update-TimeLimit")
def the_limit_of_a_waiting_job_can_be_changed(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-t", "5", "--wrap=true")
    for text, shown in (("20", "20:00"), ("+10", "30:00"), ("-5", "25:00"), ("1:00:00", "1:00:00")):
        slurm.ok("scontrol", "update", f"jobid={job.id}", f"timelimit={text}")
        assert job.shown("%l") == shown


@case("scontrol update-TimeLimit", "squeue %L")
def the_limit_of_a_running_job_can_be_changed(slurm: Slurm) -> None:
    job = slurm.sbatch("-t", "5", "--wrap=sleep 60").becomes("RUNNING")
    slurm.ok("scontrol", "update", f"jobid={job.id}", "timelimit=10")
    assert job.shown("%l") == "10:00"
    assert job.shown("%L") == "10:00" or job.shown("%L").startswith("9:")


@case("sbatch --time")
def infinite_is_unlimited_and_waits_where_that_is_not_allowed(slurm: Slurm) -> None:
    job = slurm.sbatch("-t", "UNLIMITED", "--wrap=true").waits_for("PartitionTimeLimit")
    assert job.shown("%l") == "UNLIMITED"


@case("sacct Timelimit", "sacct TimelimitRaw")
def accounting_knows_the_limit(slurm: Slurm) -> None:
    job = slurm.sbatch("-t", "1:30:00", "--wrap=true")
    job.end()
    assert job.acct("timelimit,timelimitraw", "-X") == ["01:30:00|90"]
