"""Jobs on a live emulated cluster, as a user sees them."""

from __future__ import annotations

import os
import signal

from .conftest import EmulatedCluster, until


def test_a_job_writes_its_output_and_is_accounted(slurm: EmulatedCluster) -> None:
    job = slurm.submit("echo hello $SLURM_JOB_ID; hostname")
    assert slurm.wait_state(job) == "COMPLETED"
    assert slurm.output(job).split() == ["hello", str(job), "t-n1"]


def test_resolving_the_node_gives_the_address_that_scontrol_shows(slurm: EmulatedCluster) -> None:
    job = slurm.submit("getent hosts $(hostname)")
    slurm.wait_state(job)
    address, name = slurm.output(job).split()
    assert f"NodeAddr={address} NodeHostName={name}" in slurm.ask("scontrol", "show", "node", name)
    assert address.startswith("127.")


def test_a_failing_script_keeps_its_exit_code(slurm: EmulatedCluster) -> None:
    job = slurm.submit("exit 7")
    assert slurm.wait_state(job) == "FAILED"
    assert slurm.ask("sacct", "-nXP", "-o", "ExitCode", "-j", str(job)).strip() == "7:0"


def test_an_array_runs_each_task_under_its_throttle(slurm: EmulatedCluster) -> None:
    job = slurm.submit("echo $SLURM_ARRAY_TASK_ID of $SLURM_ARRAY_TASK_COUNT", "-a", "1-7:2%2")
    until(lambda: "yes" if slurm.state(job).split() == ["COMPLETED"] * 4 else "")
    texts = [(slurm.work / f"slurm-{job}_{i}.out").read_text() for i in (1, 3, 5, 7)]
    assert texts == [f"{i} of 4\n" for i in (1, 3, 5, 7)]


def test_scancel_ends_every_process_of_a_job_even_daemons(slurm: EmulatedCluster) -> None:
    job = slurm.submit("setsid -f sleep 987 </dev/null; (sleep 987 &) ; echo up; sleep 987")
    slurm.wait_text(f"slurm-{job}.out", "up")
    slurm.ask("scancel", str(job))
    assert slurm.wait_state(job) == "CANCELLED by 0"
    assert "CANCELLED AT" in slurm.output(job)


def test_a_batch_signal_reaches_the_shell_alone(slurm: EmulatedCluster) -> None:
    script = "trap 'echo got; exit 3' USR1; echo up; while :; do sleep 0.05; done"
    job = slurm.submit(script)
    slurm.wait_text(f"slurm-{job}.out", "up")
    slurm.ask("scancel", "-b", "-s", "USR1", str(job))
    assert slurm.wait_state(job) == "FAILED"
    assert "got" in slurm.output(job)


def test_a_dependent_job_waits_and_never_runs_after_a_failure(slurm: EmulatedCluster) -> None:
    os.mkfifo(slurm.work / "gate")
    first = slurm.submit("read line < gate; exit 1")
    second = slurm.submit("echo done", "-d", f"afterok:{first}")
    ask = ("-h", "-o", "%T %r", "-j", str(second))
    assert slurm.ask("squeue", *ask) == "PENDING Dependency\n"
    (slurm.work / "gate").write_text("go\n")
    until(lambda: "yes" if "NeverSatisfied" in slurm.ask("squeue", *ask) else "")


def test_steps_run_on_all_nodes_with_labels(slurm: EmulatedCluster) -> None:
    job = slurm.submit("srun -l --ntasks-per-node=1 hostname", "-N3")
    assert slurm.wait_state(job) == "COMPLETED"
    assert sorted(slurm.output(job).splitlines()) == ["0: t-n1", "1: t-n2", "2: t-n3"]


def test_srun_returns_the_worst_exit_code(slurm: EmulatedCluster) -> None:
    script = "srun --kill-on-bad-exit=0 bash -c 'exit $((SLURM_PROCID * 3))'; echo code $?"
    job = slurm.submit(script, "-N2")
    slurm.wait_state(job)
    assert "code 3" in slurm.output(job)
    assert "error: t-n2: task 1: Exited with exit code 3" in slurm.output(job)


def test_requeue_keeps_the_id_and_counts(slurm: EmulatedCluster) -> None:
    job = slurm.submit("echo life ${SLURM_RESTART_COUNT:-0}; sleep 30", "--open-mode=append")
    slurm.wait_text(f"slurm-{job}.out", "life 0")
    slurm.ask("scontrol", "requeue", str(job))
    slurm.wait_text(f"slurm-{job}.out", "life 1")
    assert "Restarts=1" in slurm.ask("scontrol", "show", "job", str(job))


def test_kill_of_the_shell_fails_the_job(slurm: EmulatedCluster) -> None:
    job = slurm.submit(f"kill -{int(signal.SIGKILL)} $$")
    assert slurm.wait_state(job) == "FAILED"
    assert slurm.ask("sacct", "-nXP", "-o", "ExitCode", "-j", str(job)).strip() == "0:9"
