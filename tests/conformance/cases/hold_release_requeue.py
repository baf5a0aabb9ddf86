"""Jobs that are held, let go, sent back, suspended and changed while they wait."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm, until


@case("sbatch --hold", "reason JobHeldUser", "scontrol release")
def a_held_job_waits_until_released(slurm: Slurm) -> None:
    job = slurm.sbatch("--hold", "--wrap=true")
    assert job.reason() == "JobHeldUser"
    assert job.shown("%R %Q") == "(JobHeldUser) 0"
    slurm.ok("scontrol", "release", job.id)
    assert job.end() == "COMPLETED"


@case("scontrol hold", "scontrol uhold", "reason JobHeldAdmin")
def hold_by_root_is_an_administrator_s_and_uhold_a_user_s(slurm: Slurm) -> None:
    job = slurm.sbatch("--begin=now+1hour", "--wrap=true")
    slurm.ok("scontrol", "hold", job.id)
    assert job.reason() in ("JobHeldAdmin", "JobHeldUser")
    slurm.ok("scontrol", "release", job.id)
    slurm.ok("scontrol", "uhold", job.id)
    assert job.reason() == "JobHeldUser"


@case("scontrol requeue", "env SLURM_RESTART_COUNT", "reason BeginTime")
def a_requeued_job_keeps_its_id_and_counts_its_restarts(slurm: Slurm) -> None:
    script = 'echo start ${SLURM_RESTART_COUNT-none}; [ -n "$SLURM_RESTART_COUNT" ] || sleep 100'
    job = slurm.sbatch("--open-mode=append", script=script).says("start")
    slurm.ok("scontrol", "requeue", job.id)
    job.waits_for("BeginTime")
    assert job.end() == "COMPLETED"
    assert [line for line in job.lines() if line.startswith("start")] == ["start none", "start 1"]


@case("signal requeue", "sbatch --open-mode")
def a_requeued_job_s_output_starts_afresh(slurm: Slurm) -> None:
    script = 'echo start ${SLURM_RESTART_COUNT-none}; [ -n "$SLURM_RESTART_COUNT" ] || sleep 100'
    job = slurm.sbatch(script=script).says("start none")
    slurm.ok("scontrol", "requeue", job.id)
    job.says("start 1")
    assert job.end() == "COMPLETED"
    assert "start none" not in job.output()


@case("scontrol requeuehold", "state REQUEUE_HOLD")
def requeuehold_sends_back_and_holds(slurm: Slurm) -> None:
    job = slurm.sbatch("--wrap=sleep 100").becomes("RUNNING")
    slurm.ok("scontrol", "requeuehold", job.id)
    until("it to be held", lambda: job.shown("%r") == "job requeued in held state")
    until("its state", lambda: job.state() in ("REQUEUE_HOLD", "PENDING"))
    assert job.shown("%Q") == "0"


@case("scontrol requeue", "sbatch --no-requeue", "sbatch --requeue", "env SBATCH_REQUEUE")
def one_that_may_not_be_requeued_is_refused(slurm: Slurm) -> None:
    job = slurm.sbatch("--no-requeue", "--wrap=sleep 30").becomes("RUNNING")
    done = slurm.call("scontrol", "requeue", job.id)
    assert done.code == 1
    assert "Requested operation is presently disabled" in done.err
    assert job.state() == "RUNNING"
    assert slurm.sbatch("-H", "--requeue", "--wrap=true").detail("Requeue") == "1"
    assert slurm.sbatch("-H", "--wrap=true", env={"SBATCH_REQUEUE": "1"}).detail("Requeue") == "1"


@case("scontrol requeue")
def a_waiting_job_is_not_requeued(slurm: Slurm) -> None:
    job = slurm.sbatch("--begin=now+1hour", "--wrap=true")
    done = slurm.call("scontrol", "requeue", job.id)
    assert done.code == 1
    assert job.state() == "PENDING"


@case("scontrol requeue", "state COMPLETED")
def a_finished_job_can_be_requeued(slurm: Slurm) -> None:
    job = slurm.sbatch("--open-mode=append", "--wrap=echo once")
    assert job.end() == "COMPLETED"
    slurm.ok("scontrol", "requeue", job.id)
    job.says("once\nonce")
    assert job.end() == "COMPLETED"


@case("sacct State", "state REQUEUED")
def accounting_keeps_each_run_of_a_requeued_job(slurm: Slurm) -> None:
    job = slurm.sbatch(
        "--open-mode=append", '--wrap=echo run; [ -n "$SLURM_RESTART_COUNT" ] || sleep 99'
    )
    job.says("run")
    slurm.ok("scontrol", "requeue", job.id)
    job.end()
    assert job.acct("state", "-X") == ["COMPLETED"]
    rows = slurm.ok("sacct", "-D", "-X", "-n", "-P", "-j", job.id, "-o", "state").splitlines()
    assert rows == ["REQUEUED", "COMPLETED"]


@case("scancel --state", "scancel --name", "scancel job")
def held_jobs_are_cancelled_by_state_and_name(slurm: Slurm) -> None:
    name = f"held-{slurm.directory.name}"
    one, two = (slurm.sbatch("-H", "-J", name, "--wrap=true") for _ in "ab")
    running = slurm.sbatch("-J", name, "--wrap=sleep 100").becomes("RUNNING")
    slurm.ok("scancel", "-t", "PENDING", "-n", name)
    assert (one.end(), two.end()) == ("CANCELLED", "CANCELLED")
    assert running.state() == "RUNNING"
