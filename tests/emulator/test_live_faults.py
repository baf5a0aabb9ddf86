"""Faults on a live cluster: of nodes, controller, daemon, clock and memory."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hpckit.emulator import control, launch

from .conftest import FAST, EmulatedCluster, end_all, until


def _daemon_pid(slurm: EmulatedCluster) -> int:
    return int((slurm.cluster.state_dir / "lock").read_text())


def _is_gone(pid: int) -> str:
    return "" if Path(f"/proc/{pid}").exists() else "gone"


def test_a_killed_daemon_finds_its_jobs_again(own_slurm: EmulatedCluster) -> None:
    job = own_slurm.submit("echo $$ > pid; srun -n1 bash -c 'echo in; sleep 2; echo out'; exit 5")
    own_slurm.wait_text(f"slurm-{job}.out", "in")
    waits = own_slurm.submit("echo later", "-d", f"afterany:{job}")
    os.kill(_daemon_pid(own_slurm), signal.SIGKILL)
    assert "RUNNING" in own_slurm.ask("squeue", "-h", "-o", "%T")  # this starts a new daemon
    assert own_slurm.wait_state(job) == "FAILED"
    assert own_slurm.ask("sacct", "-nXP", "-o", "ExitCode", "-j", str(job)).strip() == "5:0"
    assert own_slurm.output(job).split() == ["in", "out"]
    assert own_slurm.wait_state(waits) == "COMPLETED"


def test_a_job_whose_id_was_printed_survives_the_end_of_the_daemon(
    own_slurm: EmulatedCluster,
) -> None:
    for _ in range(6):  # when the reply was sent before the job was stored, one in four was lost
        job = own_slurm.submit("true", "--hold")
        os.kill(_daemon_pid(own_slurm), signal.SIGKILL)
        assert (
            own_slurm.ask("squeue", "-h", "-o", "%i %r", "-j", str(job)) == f"{job} JobHeldUser\n"
        )


def test_a_node_that_dies_after_the_daemon_ends_its_jobs(own_slurm: EmulatedCluster) -> None:
    """Two incarnations of a job never run at once: processes end before it is requeued."""
    life = 'exec 9> lock; flock -n 9 || echo twice; echo "$$" >> pids; sleep 300'
    job = own_slurm.submit(life)
    own_slurm.wait_text("pids", "\n")
    os.kill(_daemon_pid(own_slurm), signal.SIGKILL)
    own_slurm.ask("squeue")
    node = own_slurm.ask("squeue", "-h", "-o", "%N", "-j", str(job)).strip()
    control.kill_node(node, name="own")
    until(lambda: len((own_slurm.work / "pids").read_text().split()) == 2)
    assert own_slurm.output(job).split() == []
    own_slurm.ask("scancel", str(job))


def test_a_signal_to_a_job_of_a_former_daemon_is_not_lost(own_slurm: EmulatedCluster) -> None:
    job = own_slurm.submit(
        "trap 'echo heard; exit 7' USR1; echo on > on; while :; do sleep 0.05; done"
    )
    own_slurm.wait_text("on", "on")
    os.kill(_daemon_pid(own_slurm), signal.SIGKILL)
    own_slurm.ask("scancel", "-b", "-s", "USR1", str(job))
    assert own_slurm.wait_state(job) == "FAILED"
    assert own_slurm.output(job).split() == ["heard"]


def test_jobs_that_died_with_the_daemon_are_node_failures(own_slurm: EmulatedCluster) -> None:
    job = own_slurm.submit("echo $PPID $$ > pids; sleep 600", "--no-requeue")
    own_slurm.wait_text("pids", " ")
    step_daemon, shell = (int(word) for word in (own_slurm.work / "pids").read_text().split())
    os.kill(_daemon_pid(own_slurm), signal.SIGKILL)
    for pid in (step_daemon, shell):
        os.kill(pid, signal.SIGKILL)
    own_slurm.ask("squeue")
    assert own_slurm.wait_state(job) == "NODE_FAIL"


def test_down_leaves_no_process_even_of_daemons(own_slurm: EmulatedCluster) -> None:
    job = own_slurm.submit("setsid sleep 601 & echo $! $$ > pids; srun sleep 602 & wait")
    own_slurm.wait_text("pids", " ")
    until(lambda: own_slurm.ask("squeue", "-h", "-s"))
    pids = [int(word) for word in (own_slurm.work / "pids").read_text().split()]
    pids.append(_daemon_pid(own_slurm))
    control.down("own")
    for pid in pids:
        until(lambda pid=pid: _is_gone(pid))  # type: ignore[misc]
    assert control.find("own") is None
    done = own_slurm.run("squeue")
    assert done.returncode == 1
    assert "Unable to contact slurm controller" in done.stderr
    assert own_slurm.state(job).startswith("CANCELLED")  # accounting still answers


def test_down_ends_the_jobs_of_a_daemon_that_was_killed(own_slurm: EmulatedCluster) -> None:
    own_slurm.submit("echo $$ > pid; exec sleep 603")
    own_slurm.wait_text("pid", "\n")
    os.kill(_daemon_pid(own_slurm), signal.SIGKILL)
    control.down("own")
    until(lambda: _is_gone(int((own_slurm.work / "pid").read_text())))


def test_a_node_that_dies_requeues_its_job(slurm: EmulatedCluster) -> None:
    job = slurm.submit("echo life ${SLURM_RESTART_COUNT:-0} $$; sleep 60", "--open-mode=append")
    text = slurm.wait_text(f"slurm-{job}.out", "life 0")
    control.kill_node("t-n1", name="t")
    until(lambda: _is_gone(int(text.split()[-1])))
    slurm.wait_text(f"slurm-{job}.out", "life 1")
    assert slurm.ask("squeue", "-h", "-o", "%N", "-j", str(job)) == "t-n2\n"
    assert "down" in slurm.ask("sinfo", "-h", "-N", "-n", "t-n1", "-o", "%t")


def test_no_kill_keeps_the_steps_on_other_nodes(slurm: EmulatedCluster) -> None:
    script = "srun --no-kill -l --overlap bash -c 'echo up; sleep 2; echo on'; echo rc $?"
    job = slurm.submit(script, "-N2", "--no-kill")
    until(lambda: "yes" if slurm.output(job).count("up") == 2 else "")
    control.kill_node("t-n2", name="t")
    slurm.wait_state(job)
    assert "0: on" in slurm.output(job)
    assert "1: on" not in slurm.output(job)
    assert "rc 0" not in slurm.output(job)


def test_commands_say_that_the_controller_is_down_and_jobs_go_on(
    own_slurm: EmulatedCluster,
) -> None:
    os.mkfifo(own_slurm.work / "gate")
    job = own_slurm.submit("echo up; read line < gate; echo $line")
    own_slurm.wait_text(f"slurm-{job}.out", "up")
    control.controller_down(3600, name="own")  # it replies first, then does not answer
    until(lambda: "closed" if not launch.answers(str(own_slurm.cluster.state_dir)) else "")
    done = own_slurm.run("squeue")
    assert done.returncode == 1
    assert "slurm_load_jobs error: Unable to contact slurm controller" in done.stderr
    (own_slurm.work / "gate").write_text("done\n")
    own_slurm.wait_text(f"slurm-{job}.out", "done")
    assert own_slurm.wait_state(job) == "COMPLETED"


def test_a_controller_that_was_down_answers_again(own_slurm: EmulatedCluster) -> None:
    control.controller_down(2, name="own")
    until(lambda: "closed" if not launch.answers(str(own_slurm.cluster.state_dir)) else "")
    assert own_slurm.ask("squeue", "-h") == ""  # it waits for three seconds


def test_the_clock_runs_faster_at_a_higher_time_scale(own_slurm: EmulatedCluster) -> None:
    control.time_scale(60, name="own")
    job = own_slurm.submit("trap 'echo warned' USR1; while :; do sleep 0.1; done",
                     "-t", "2", "--signal=B:USR1@60")  # fmt: skip
    assert own_slurm.wait_state(job) == "TIMEOUT"
    assert "warned" in own_slurm.output(job)
    assert "DUE TO TIME LIMIT" in own_slurm.output(job)


def test_too_much_memory_ends_a_job_as_out_of_memory(slurm: EmulatedCluster) -> None:
    script = "exec python3 -c 'import time; data = bytearray(120 << 20); time.sleep(30)'"
    job = slurm.submit(script, "--mem=60")
    assert slurm.wait_state(job) == "OUT_OF_MEMORY"
    assert slurm.ask("sacct", "-nXP", "-o", "ExitCode", "-j", str(job)).strip() == "0:125"


def test_preemption_takes_a_node_after_the_grace_time(
    own_slurm: EmulatedCluster, tmp_path: Path
) -> None:
    low = control.PartitionConfig(name="low", priority_tier=0, grace_s=600.0)
    config = dataclasses.replace(FAST, partitions=(*FAST.partitions[:2], low))
    script = "srun bash -c 'trap \"echo warned\" TERM; echo up; while :; do sleep 0.1; done'"
    try:
        patient = EmulatedCluster(control.up(config, name="patient"), tmp_path)
        victim = patient.submit(script, "-N4", "--exclusive", "-p", "low", "--open-mode=append")
        until(lambda: "yes" if patient.output(victim).count("up") == 4 else "")
        taker = patient.submit("echo mine", "-p", "main")
        until(lambda: "yes" if patient.output(victim).count("warned") == 4 else "")
        assert patient.state(victim) == "RUNNING"
        assert patient.state(taker) == "PENDING"
        control.time_scale(600, name="patient")  # the grace time ends in a second
        assert patient.wait_state(taker) == "COMPLETED"
        assert "DUE TO PREEMPTION" in patient.output(victim)
    finally:
        end_all("patient")


def test_reclaim_preempts_jobs_and_requeues_them(own_slurm: EmulatedCluster) -> None:
    job = own_slurm.submit("echo life ${SLURM_RESTART_COUNT:-0}; sleep 60", "--open-mode=append")
    own_slurm.wait_text(f"slurm-{job}.out", "life 0")
    control.reclaim(per_hour=36000, grace_s=0.1, seed=1, name="own")
    own_slurm.wait_text(f"slurm-{job}.out", "life 1")


def test_two_clusters_do_not_affect_each_other(own_slurm: EmulatedCluster, tmp_path: Path) -> None:
    try:
        other = control.up(control.ClusterConfig(nodes=1), name="other")
        addresses = [
            {n["address"].rpartition(".")[0] for n in control.status(name)["nodes"]}
            for name in ("own", "other")
        ]
        assert not addresses[0] & addresses[1]
        assert control.list_clusters() == ["other", "own"]
        assert EmulatedCluster(other, tmp_path).ask("squeue", "-h") == ""
    finally:
        end_all("other")


def test_another_configuration_is_refused(own_slurm: EmulatedCluster) -> None:
    try:
        control.up(control.ClusterConfig(nodes=9), name="own")
    except Exception as error:
        assert "nodes is 4, not 9" in str(error)
    else:
        raise AssertionError("it was not refused")


def test_an_idle_daemon_uses_no_cpu(own_slurm: EmulatedCluster) -> None:
    def ticks() -> int:
        words = Path(f"/proc/{_daemon_pid(own_slurm)}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])

    own_slurm.wait_state(own_slurm.submit("true"))
    time.sleep(0.2)
    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 1


def test_two_processes_that_start_a_cluster_at_once_get_the_same(
    own_slurm: EmulatedCluster,
) -> None:
    control.down(own_slurm.cluster.name)
    code = (
        "import sys\n"
        "from hpckit.emulator import control\n"
        "from tests.emulator.conftest import FAST\n"
        "print(control.up(FAST, name=sys.argv[1]).bin_dir)\n"
        "print(control.status(sys.argv[1])['pid'])\n"
    )
    command = [sys.executable, "-c", code, own_slurm.cluster.name]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = [starter.communicate(timeout=60)[0] for starter in starters]
    assert said == [f"{own_slurm.cluster.bin_dir}\n{_daemon_pid(own_slurm)}\n"] * 6
