"""The signals that processes get: --signal, scancel, and the end of a job."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm

# A step and the batch shell, each saying which signals it hears. bash runs traps between commands.
EARS = """
hear() { for s in TERM USR1 USR2 INT; do trap "echo $1 heard $s" $s; done; }
hear batch
srun --overlap bash -c '
  for s in TERM USR1 USR2 INT; do trap "echo step heard $s" $s; done
  echo step ready; for i in {1..300}; do sleep 0.1; done' &
for i in {1..300}; do sleep 0.1; done
"""


@case("scancel --signal", "signal step")
def a_signal_goes_to_the_steps_and_not_to_the_batch_shell(slurm: Slurm) -> None:
    job = slurm.sbatch(script=EARS).says("step ready")
    job.cancel("--signal=USR1").says("step heard USR1")
    job.cancel("-s", "12").says("step heard USR2")
    assert "batch heard" not in job.output()
    assert job.state() == "RUNNING"


@case("scancel --batch", "signal batch")
def batch_signals_only_the_batch_shell(slurm: Slurm) -> None:
    job = slurm.sbatch(script=EARS).says("step ready")
    job.cancel("-b", "-s", "USR1").says("batch heard USR1")
    assert "step heard" not in job.output()


@case("scancel --full", "signal batch", "signal step")
def full_signals_the_batch_shell_its_children_and_the_steps(slurm: Slurm) -> None:
    job = slurm.sbatch(script=EARS).says("step ready")
    job.cancel("--full", "--signal=USR2").says("batch heard USR2").says("step heard USR2")


@case("sbatch --signal", "signal step")
def a_warning_without_b_goes_to_the_steps(slurm: Slurm) -> None:
    job = slurm.sbatch("-t1", "--signal=USR2@55", script=EARS)
    job.says("step heard USR2")
    assert "batch heard" not in job.output()


@case("sbatch --signal", "signal batch", "env SBATCH_SIGNAL")
def a_warning_with_b_goes_to_the_batch_shell_alone(slurm: Slurm) -> None:
    job = slurm.sbatch("-t1", script=EARS, env={"SBATCH_SIGNAL": "B:USR1@55"})
    job.says("batch heard USR1")
    assert "step heard" not in job.output()


@case("sbatch --signal", "signal batch")
def a_warning_kills_a_batch_shell_that_does_not_trap_it(slurm: Slurm) -> None:
    job = slurm.sbatch("-t1", "--signal=B:USR1@55", "--wrap=sleep 100; echo not reached")
    assert job.end() == "FAILED"
    assert job.acct("exitcode", "-X") == ["0:10"]
    assert "not reached" not in job.output()


@case("signal scancel", "state CANCELLED")
def scancel_sends_term_then_kill_to_the_whole_job(slurm: Slurm) -> None:
    job = slurm.sbatch(script=EARS).says("step ready")
    job.cancel()
    assert job.end() == "CANCELLED"
    assert "step heard TERM" in job.output()
    assert "batch heard TERM" in job.output()


@case("signal scancel")
def a_cancelled_job_says_so_in_its_output(slurm: Slurm) -> None:
    job = slurm.sbatch("--wrap=echo on; sleep 100").says("on")
    job.cancel()
    assert job.end() == "CANCELLED"
    assert f"*** JOB {job.id} ON " in job.output()
    assert " CANCELLED AT 20" in job.output()


@case("signal scancel", "state COMPLETING")
def what_ignores_term_is_killed_after_kill_wait(slurm: Slurm) -> None:
    script = "trap '' TERM; echo on; for i in {1..300}; do sleep 0.1; date +%s; done"
    job = slurm.sbatch(script=script).says("on")
    job.cancel().becomes("COMPLETING")
    assert job.shown("%t") in ("CG", "CA")
    assert job.end() == "CANCELLED"


@case("signal step", "scancel step")
def cancelling_a_step_lets_the_job_go_on(slurm: Slurm) -> None:
    job = slurm.sbatch(script="srun bash -c 'echo up; sleep 100'; echo code $?").says("up")
    slurm.ok("scancel", f"{job.id}.0")
    assert job.end() in ("COMPLETED", "CANCELLED")
    assert "code " in job.output()


@case("signal default-step")
def descendants_in_sessions_of_their_own_are_ended_too(slurm: Slurm) -> None:
    script = "setsid bash -c 'while date +%s > alive; do sleep 0.2; done' & echo on; sleep 100"
    job = slurm.sbatch(script=script).says("on")
    job.cancel()
    assert job.end() == "CANCELLED"
    import time

    time.sleep(0.6)
    last = slurm.read("alive")
    time.sleep(1.2)
    assert slurm.read("alive") == last


@case("signal batch")
def nothing_outlives_the_batch_script(slurm: Slurm) -> None:
    script = "setsid bash -c 'while date +%s > alive; do sleep 0.2; done' & sleep 1; echo bye"
    job = slurm.sbatch(script=script)
    assert job.end() == "COMPLETED"
    import time

    time.sleep(0.6)
    last = slurm.read("alive")
    time.sleep(1.2)
    assert slurm.read("alive") == last
