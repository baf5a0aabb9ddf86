"""Behaviour of Slurm 24.11 that 22.05 has not. These run on a real 24.11, in the Debian 13 root."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm, until

NEW = "24.11"


@case("env SLURM_JOB_START_TIME", "env SLURM_JOB_END_TIME", since=NEW)
def a_job_is_told_when_it_began_and_when_it_must_end(slurm: Slurm) -> None:
    out = slurm.run("-t5", "--wrap=echo $SLURM_JOB_START_TIME $SLURM_JOB_END_TIME $(date +%s)")
    start, end, now = map(int, out.split())
    assert end - start == 300
    assert 0 <= now - start < 60


@case("env SLURM_TRES_PER_TASK", since=NEW)
def cpus_per_task_are_told_as_trackable_resources(slurm: Slurm) -> None:
    assert slurm.run("-c2", "--wrap=echo $SLURM_TRES_PER_TASK") == "cpu=2\n"


@case("sacct Restarts", "sacct Planned", "sacct StdOut", since=NEW)
def accounting_knows_restarts_waiting_time_and_files(slurm: Slurm) -> None:
    job = slurm.sbatch("-o", "out.%j", "--wrap=true")
    job.end()
    restarts, planned, path = job.acct("restarts,planned,stdout", "-X")[0].split("|")
    assert (restarts, planned[:3]) == ("0", "00:")
    assert path in (f"{slurm.directory}/out.%j", f"{slurm.directory}/out.{job.id}")


@case("sacct Planned", "error bad-format", since=NEW)
def reserved_is_no_field_any_more(slurm: Slurm) -> None:
    done = slurm.call("sacct", "-o", "reserved")
    assert (done.code, done.err) == (1, 'sacct: error: Invalid field requested: "reserved"\n')


@case("error impossible-nodes", since=NEW)
def more_nodes_than_there_are_is_refused_at_once(slurm: Slurm) -> None:
    said = slurm.refuses("-N99", "--wrap=true")
    assert said.err == (
        "sbatch: error: Batch job submission failed: "
        "Requested node configuration is not available\n"
    )


@case("scontrol show-hostnames", since=NEW)
def a_bracket_may_stand_before_the_end_of_a_name(slurm: Slurm) -> None:
    assert slurm.ok("scontrol", "show", "hostnames", "a[1-2]x").split() == ["a1x", "a2x"]


@case("squeue --only-job-state", since=NEW)
def states_alone_can_be_asked_for(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--wrap=true")
    until(
        "its state",
        lambda: (
            slurm.call("squeue", "-h", "--only-job-state", "-j", job.id).out.split()
            == [job.id, "PD"]
        ),
        20,
    )


@case("sbatch --version", since=NEW)
def it_says_that_it_is_24_11(slurm: Slurm) -> None:
    assert slurm.ok("sbatch", "--version").startswith("slurm-wlm 24.11")


@case("sbatch --output", since=NEW)
def a_missing_directory_of_the_output_is_made(slurm: Slurm) -> None:
    job = slurm.sbatch("-o", "nowhere/%j", "--wrap=echo here")
    assert job.end() == "COMPLETED"
    assert slurm.read(f"nowhere/{job.id}") == "here\n"


@case("squeue %b", "scontrol show-job", since=NEW)
def resources_are_written_in_another_way(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--gres=gpu:1", "--mem=100", "--wrap=true")
    assert job.shown("%b") == "gres/gpu:1"
    assert job.detail("ReqTRES").startswith("cpu=1,mem=100M,node=1,")
