"""The order in which jobs start, and the reasons why they wait. Each case has its own cluster."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import UNTIL_GO, Job, Slurm, until

WHOLE = ("-N4", "--exclusive")
BUSY = f"--wrap={UNTIL_GO}"


def starts(*jobs: Job) -> list[str]:
    """The jobs' ids in the order in which they started."""
    return [j.id for j in sorted(jobs, key=lambda j: (j.acct("start", "-X")[0], int(j.id)))]


@case("reason Resources", "state PENDING", alone=True)
def a_job_waits_for_resources(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, BUSY).becomes("RUNNING")
    two = slurm.sbatch("-N2", "--exclusive", "--wrap=true").waits_for("Resources")
    assert two.shown("%R") == "(Resources)"
    slurm.go()
    assert two.end() == "COMPLETED"


@case("reason Priority", alone=True)
def the_second_in_the_queue_waits_for_the_first(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, BUSY).becomes("RUNNING")
    two = slurm.sbatch(*WHOLE, "--wrap=true").waits_for("Resources")
    three = slurm.sbatch(*WHOLE, "--wrap=true").waits_for("Priority")
    slurm.go()
    assert (two.end(), three.end()) == ("COMPLETED", "COMPLETED")


@case("sbatch --exclusive", alone=True)
def jobs_start_in_the_order_of_submission(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, BUSY).becomes("RUNNING")
    jobs = [slurm.sbatch(*WHOLE, "--wrap=sleep 1") for _ in range(3)]
    slurm.go()
    for job in jobs:
        job.end()
    assert starts(*jobs) == [job.id for job in jobs]


@case("squeue %Q", alone=True)
def a_small_job_skips_ahead_when_it_delays_nobody(slurm: Slurm) -> None:
    long = slurm.sbatch("-N3", "--exclusive", "-t2", BUSY).becomes("RUNNING")
    wide = slurm.sbatch(*WHOLE, "-t2", "--wrap=true").waits_for("Resources")
    small = slurm.sbatch("-n1", "-t1", "--wrap=true")
    assert small.end() == "COMPLETED"
    assert (long.state(), wide.state()) == ("RUNNING", "PENDING")
    assert int(wide.shown("%Q")) > int(small.shown("%Q"))


@case("sbatch --partition", alone=True)
def a_higher_tier_goes_first(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, BUSY).becomes("RUNNING")
    plain = slurm.sbatch(*WHOLE, "-p", "debug", "--wrap=sleep 1")
    high = slurm.sbatch(*WHOLE, "-p", "high", "--wrap=sleep 1")
    slurm.go()
    plain.end()
    assert starts(plain, high) == [high.id, plain.id]


@case("sbatch --mem", "sbatch --cpus-per-task", alone=True)
def jobs_share_a_node_as_far_as_cpus_and_memory_go(slurm: Slurm) -> None:
    one, two = (slurm.sbatch("-w", slurm.nodes[0], "--mem=1500", BUSY) for _ in "ab")
    one.becomes("RUNNING")
    two.becomes("RUNNING")
    assert slurm.ok("sinfo", "-h", "-p", "debug", "-n", slurm.nodes[0], "-o", "%t") == "alloc"
    three = slurm.sbatch("-w", slurm.nodes[0], "--mem=1500", "--wrap=true")
    three.waits_for("Resources")
    slurm.go()
    assert three.end() == "COMPLETED"


@case("sbatch --mem", alone=True)
def memory_alone_keeps_a_job_waiting(slurm: Slurm) -> None:
    slurm.sbatch("-w", slurm.nodes[0], "--mem=3500", BUSY).becomes("RUNNING")
    two = slurm.sbatch("-w", slurm.nodes[0], "--mem=1000", "--wrap=true")
    two.waits_for("Resources")
    slurm.go()
    assert two.end() == "COMPLETED"


@case("squeue %S", "squeue --start", alone=True)
def the_queue_foretells_a_start(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, "-t1", "--wrap=sleep 20").becomes("RUNNING")
    job = slurm.sbatch(*WHOLE, "--wrap=true").waits_for("Resources")
    until("a start time", lambda: job.shown("%S").startswith("20"))


@case("scontrol update-Nice", "sbatch --nice", "squeue %y", alone=True)
def nice_jobs_let_others_go_first(slurm: Slurm) -> None:
    slurm.sbatch(*WHOLE, BUSY).becomes("RUNNING")
    nice = slurm.sbatch(*WHOLE, "--nice=500", "--wrap=sleep 1")
    assert nice.shown("%y") == "500"
    slurm.ok("scontrol", "update", f"jobid={nice.id}", "nice=700")
    assert nice.shown("%y") == "700"
    plain = slurm.sbatch(*WHOLE, "--wrap=sleep 1")
    slurm.go()
    assert (plain.end(), nice.end()) == ("COMPLETED", "COMPLETED")
    assert starts(nice, plain) == [plain.id, nice.id]


@case("sbatch --gres", alone=True)
def gpus_are_given_once(slurm: Slurm) -> None:
    node = slurm.nodes[1]
    slurm.sbatch("-w", node, "--gres=gpu:2", BUSY).becomes("RUNNING")
    two = slurm.sbatch("-w", node, "--gres=gpu:1", "--wrap=true").waits_for("Resources")
    slurm.go()
    assert two.end() == "COMPLETED"
