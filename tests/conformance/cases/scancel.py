"""scancel: which jobs it ends. Each case has a cluster for itself."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm


@case("scancel --user", "scancel --partition", alone=True)
def a_user_s_jobs_of_a_partition_are_cancelled(slurm: Slurm) -> None:
    low = slurm.sbatch("-H", "-p", "low", "--wrap=true")
    short = slurm.sbatch("-H", "-p", "short", "--wrap=true")
    slurm.ok("scancel", "-u", slurm.user, "-p", "low")
    assert low.end() == "CANCELLED"
    assert short.state() == "PENDING"


@case("scancel --me", alone=True)
def all_of_one_s_own_jobs_are_cancelled(slurm: Slurm) -> None:
    jobs = [slurm.sbatch("-H", "--wrap=true"), slurm.sbatch("--wrap=sleep 60").becomes("RUNNING")]
    slurm.ok("scancel", "--me")
    assert [job.end() for job in jobs] == ["CANCELLED", "CANCELLED"]


@case("scancel --nodelist", alone=True)
def jobs_on_a_node_are_cancelled(slurm: Slurm) -> None:
    one, two = (
        slurm.sbatch("-w", n, "--wrap=sleep 60").becomes("RUNNING") for n in slurm.nodes[:2]
    )
    slurm.ok("scancel", "-w", slurm.nodes[0])
    assert one.end() == "CANCELLED"
    assert two.state() == "RUNNING"


@case("scancel --account", "scancel --qos", alone=True)
def an_account_s_jobs_are_cancelled(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-A", "hpckit", "--wrap=true")
    slurm.ok("scancel", "-A", "another")
    assert job.state() == "PENDING"
    slurm.ok("scancel", "-A", "hpckit", "-q", "normal")
    assert job.end() == "CANCELLED"


@case("scancel --verbose", "scancel --quiet", alone=True)
def verbose_says_what_it_cancels(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--wrap=true")
    done = slurm.call("scancel", "-v", job.id)
    assert done.code == 0
    assert f"Terminating job {job.id}" in done.err
    assert slurm.ok("scancel", "-Q", job.id) == ""


@case("scancel job", "scancel --jobname", alone=True)
def several_jobs_are_cancelled_at_once(slurm: Slurm) -> None:
    jobs = [slurm.sbatch("-H", "-J", f"name-{i}", "--wrap=true") for i in range(4)]
    slurm.ok("scancel", jobs[0].id, jobs[1].id)
    slurm.ok("scancel", "--jobname=name-2")
    assert [job.end() for job in jobs[:3]] == ["CANCELLED"] * 3
    assert jobs[3].state() == "PENDING"


@case("scancel array-task", alone=True)
def a_whole_array_is_cancelled(slurm: Slurm) -> None:
    job = slurm.sbatch("--array=0-9%2", "-o", "/dev/null", "--wrap=sleep 60").becomes("RUNNING")
    slurm.ok("scancel", job.id)
    assert job.end() == "CANCELLED"


@case("scancel --version", "scancel --help", "scancel --ctld", "scancel --hurry", alone=True)
def version_and_help_succeed(slurm: Slurm) -> None:
    assert slurm.ok("scancel", "--version") == "slurm-wlm 22.05.8"
    assert slurm.ok("scancel", "--help").startswith("Usage: scancel [OPTIONS]")
    job = slurm.sbatch("-H", "--wrap=true")
    slurm.ok("scancel", "--ctld", "--hurry", job.id)
    assert job.end() == "CANCELLED"
