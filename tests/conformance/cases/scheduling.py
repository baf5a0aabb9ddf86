"""Who goes first, who waits and why. Each case has a cluster for itself."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Job, Slurm

WHOLE = ("-N4", "--exclusive")


def starts(*jobs: Job) -> list[str]:
    """The jobs' ids in the order in which they started."""
    return [j.id for j in sorted(jobs, key=lambda j: (j.acct("start", "-X")[0], int(j.id)))]


@case("reason Resources", "state PENDING", alone=True)
def a_job_waits_for_resources(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, "--wrap=sleep 3").becomes("RUNNING")
    two = slurm.sbatch("-N2", "--exclusive", "--wrap=true").waits_for("Resources")
    assert two.shown("%R") == "(Resources)"
    assert two.end() == "COMPLETED"


@case("reason Priority", alone=True)
def the_second_in_the_queue_waits_for_the_first(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, "--wrap=sleep 4").becomes("RUNNING")
    two = slurm.sbatch(*WHOLE, "--wrap=true").waits_for("Resources")
    three = slurm.sbatch(*WHOLE, "--wrap=true").waits_for("Priority")
    assert (two.end(), three.end()) == ("COMPLETED", "COMPLETED")


@case("sbatch --exclusive", alone=True)
def jobs_start_in_the_order_of_submission(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, "--wrap=sleep 2").becomes("RUNNING")
    jobs = [slurm.sbatch(*WHOLE, "--wrap=sleep 1") for _ in range(3)]
    for job in jobs:
        job.end()
    assert starts(*jobs) == [job.id for job in jobs]


@case("squeue %Q", alone=True)
def a_small_job_skips_ahead_when_it_delays_nobody(slurm: Slurm) -> None:
    long = slurm.sbatch("-N3", "--exclusive", "-t2", "--wrap=sleep 12").becomes("RUNNING")
    wide = slurm.sbatch(*WHOLE, "-t2", "--wrap=true").waits_for("Resources")
    small = slurm.sbatch("-n1", "-t1", "--wrap=true")
    assert small.end() == "COMPLETED"
    assert (long.state(), wide.state()) == ("RUNNING", "PENDING")
    assert int(wide.shown("%Q")) > int(small.shown("%Q"))


@case("sbatch --partition", alone=True)
def a_higher_tier_goes_first(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, "--wrap=sleep 3").becomes("RUNNING")
    plain = slurm.sbatch(*WHOLE, "-p", "debug", "--wrap=sleep 1")
    high = slurm.sbatch(*WHOLE, "-p", "high", "--wrap=sleep 1")
    plain.end()
    assert starts(plain, high) == [high.id, plain.id]


@case("sbatch --mem", "sbatch --cpus-per-task", alone=True)
def jobs_share_a_node_as_far_as_cpus_and_memory_go(slurm: Slurm) -> None:
    one, two = (slurm.sbatch("-w", slurm.nodes[0], "--mem=1500", "--wrap=sleep 6") for _ in "ab")
    one.becomes("RUNNING")
    two.becomes("RUNNING")
    assert slurm.ok("sinfo", "-h", "-p", "debug", "-n", slurm.nodes[0], "-o", "%t") == "alloc"
    three = slurm.sbatch("-w", slurm.nodes[0], "--mem=1500", "--wrap=true")
    assert three.waits_for("Resources").end() == "COMPLETED"


@case("sbatch --mem", alone=True)
def memory_alone_keeps_a_job_waiting(slurm: Slurm) -> None:
    slurm.sbatch("-w", slurm.nodes[0], "--mem=3500", "--wrap=sleep 4").becomes("RUNNING")
    two = slurm.sbatch("-w", slurm.nodes[0], "--mem=1000", "--wrap=true")
    two.waits_for("Resources")
    assert two.end() == "COMPLETED"


@case("squeue %S", "squeue --start", alone=True)
def the_queue_foretells_a_start(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, "-t1", "--wrap=sleep 20").becomes("RUNNING")
    job = slurm.sbatch(*WHOLE, "--wrap=true").waits_for("Resources")
    from tests.conformance.driver import until

    until("a start time", lambda: job.shown("%S").startswith("20"), 20)


@case("scontrol update-Nice", "sbatch --nice", "squeue %y", alone=True)
def nice_jobs_let_others_go_first(slurm: Slurm) -> None:
    job = slurm.sbatch("--nice=50", "-H", "--wrap=true")
    assert job.shown("%y") == "50"
    slurm.ok("scontrol", "update", f"jobid={job.id}", "nice=70")
    assert job.shown("%y") == "70"


@case("sbatch --gres", alone=True)
def gpus_are_given_once(slurm: Slurm) -> None:
    node = slurm.nodes[1]
    slurm.sbatch("-w", node, "--gres=gpu:2", "--wrap=sleep 3").becomes("RUNNING")
    two = slurm.sbatch("-w", node, "--gres=gpu:1", "--wrap=true").waits_for("Resources")
    plain = slurm.sbatch("-w", node, "--wrap=true")
    assert two.end() == "COMPLETED"
    assert plain.end() == "COMPLETED"
