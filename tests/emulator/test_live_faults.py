"""Faults on a live cluster: nodes, controller, daemon, time and memory that go away."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hpckit.emulator import control, launch

from .conftest import FAST, Bench, end_all, until


def _daemon_pid(bench: Bench) -> int:
    return int((bench.cluster.state_dir / "lock").read_text())


def _is_gone(pid: int) -> str:
    return "" if Path(f"/proc/{pid}").exists() else "gone"


def test_a_killed_daemon_finds_its_jobs_again(own: Bench) -> None:
    job = own.submit("echo $$ > pid; srun -n1 bash -c 'echo in; sleep 2; echo out'; exit 5")
    own.wait_text(f"slurm-{job}.out", "in")
    waits = own.submit("echo later", "-d", f"afterany:{job}")
    os.kill(_daemon_pid(own), signal.SIGKILL)
    assert "RUNNING" in own.ask("squeue", "-h", "-o", "%T")  # this starts a new daemon
    assert own.wait_state(job) == "FAILED"
    assert own.ask("sacct", "-nXP", "-o", "ExitCode", "-j", str(job)).strip() == "5:0"
    assert own.output(job).split() == ["in", "out"]
    assert own.wait_state(waits) == "COMPLETED"


def test_a_job_whose_number_was_told_outlives_the_daemon_s_end(own: Bench) -> None:
    for _ in range(6):  # a reply that went out before the record lost one job in four
        job = own.submit("true", "--hold")
        os.kill(_daemon_pid(own), signal.SIGKILL)
        assert own.ask("squeue", "-h", "-o", "%i %r", "-j", str(job)) == f"{job} JobHeldUser\n"


def test_a_node_that_dies_after_the_daemon_takes_its_jobs_along(own: Bench) -> None:
    """A job is never in two lives: what ran on the node ends before it is requeued."""
    life = 'exec 9> lock; flock -n 9 || echo twice; echo "$$" >> pids; sleep 300'
    job = own.submit(life)
    own.wait_text("pids", "\n")
    os.kill(_daemon_pid(own), signal.SIGKILL)
    own.ask("squeue")
    node = own.ask("squeue", "-h", "-o", "%N", "-j", str(job)).strip()
    control.kill_node(node, name="own")
    until(lambda: len((own.work / "pids").read_text().split()) == 2)
    assert own.output(job).split() == []
    own.ask("scancel", str(job))


def test_a_signal_to_a_job_of_a_former_daemon_is_not_lost(own: Bench) -> None:
    job = own.submit("trap 'echo heard; exit 7' USR1; echo on > on; while :; do sleep 0.05; done")
    own.wait_text("on", "on")
    os.kill(_daemon_pid(own), signal.SIGKILL)
    own.ask("scancel", "-b", "-s", "USR1", str(job))
    assert own.wait_state(job) == "FAILED"
    assert own.output(job).split() == ["heard"]


def test_jobs_that_died_with_the_daemon_are_node_failures(own: Bench) -> None:
    job = own.submit("echo $PPID $$ > pids; sleep 600", "--no-requeue")
    own.wait_text("pids", " ")
    keeper, shell = (int(word) for word in (own.work / "pids").read_text().split())
    os.kill(_daemon_pid(own), signal.SIGKILL)
    for pid in (keeper, shell):
        os.kill(pid, signal.SIGKILL)
    own.ask("squeue")
    assert own.wait_state(job) == "NODE_FAIL"


def test_down_leaves_no_process_even_of_daemons(own: Bench) -> None:
    job = own.submit("setsid sleep 601 & echo $! $$ > pids; srun sleep 602 & wait")
    own.wait_text("pids", " ")
    until(lambda: own.ask("squeue", "-h", "-s"))
    pids = [int(word) for word in (own.work / "pids").read_text().split()]
    pids.append(_daemon_pid(own))
    control.down("own")
    for pid in pids:
        until(lambda pid=pid: _is_gone(pid))  # type: ignore[misc]
    assert control.find("own") is None
    done = own.run("squeue")
    assert done.returncode == 1
    assert "Unable to contact slurm controller" in done.stderr
    assert own.state(job).startswith("CANCELLED")  # accounting still answers


def test_down_ends_the_jobs_of_a_daemon_that_was_killed(own: Bench) -> None:
    own.submit("echo $$ > pid; exec sleep 603")
    own.wait_text("pid", "\n")
    os.kill(_daemon_pid(own), signal.SIGKILL)
    control.down("own")
    until(lambda: _is_gone(int((own.work / "pid").read_text())))


def test_a_node_that_dies_requeues_its_job(bench: Bench) -> None:
    job = bench.submit("echo life ${SLURM_RESTART_COUNT:-0} $$; sleep 60", "--open-mode=append")
    text = bench.wait_text(f"slurm-{job}.out", "life 0")
    control.kill_node("t-n1", name="t")
    until(lambda: _is_gone(int(text.split()[-1])))
    bench.wait_text(f"slurm-{job}.out", "life 1")
    assert bench.ask("squeue", "-h", "-o", "%N", "-j", str(job)) == "t-n2\n"
    assert "down" in bench.ask("sinfo", "-h", "-N", "-n", "t-n1", "-o", "%t")


def test_no_kill_keeps_the_steps_on_other_nodes(bench: Bench) -> None:
    script = "srun --no-kill -l --overlap bash -c 'echo up; sleep 2; echo on'; echo rc $?"
    job = bench.submit(script, "-N2", "--no-kill")
    until(lambda: "yes" if bench.output(job).count("up") == 2 else "")
    control.kill_node("t-n2", name="t")
    bench.wait_state(job)
    assert "0: on" in bench.output(job)
    assert "1: on" not in bench.output(job)
    assert "rc 0" not in bench.output(job)


def test_commands_say_that_the_controller_is_down_and_jobs_go_on(own: Bench) -> None:
    os.mkfifo(own.work / "gate")
    job = own.submit("echo up; read line < gate; echo $line")
    own.wait_text(f"slurm-{job}.out", "up")
    control.controller_down(3600, name="own")  # it replies first, then does not answer
    until(lambda: "closed" if not launch.answers(str(own.cluster.state_dir)) else "")
    done = own.run("squeue")
    assert done.returncode == 1
    assert "slurm_load_jobs error: Unable to contact slurm controller" in done.stderr
    (own.work / "gate").write_text("done\n")
    own.wait_text(f"slurm-{job}.out", "done")
    assert own.wait_state(job) == "COMPLETED"


def test_a_controller_that_was_away_comes_back(own: Bench) -> None:
    control.controller_down(2, name="own")
    until(lambda: "closed" if not launch.answers(str(own.cluster.state_dir)) else "")
    assert own.ask("squeue", "-h") == ""  # it waits for three seconds


def test_time_runs_faster_when_told_to(own: Bench) -> None:
    control.time_scale(60, name="own")
    job = own.submit("trap 'echo warned' USR1; while :; do sleep 0.1; done",
                     "-t", "2", "--signal=B:USR1@60")  # fmt: skip
    assert own.wait_state(job) == "TIMEOUT"
    assert "warned" in own.output(job)
    assert "DUE TO TIME LIMIT" in own.output(job)


def test_too_much_memory_ends_a_job_as_out_of_memory(bench: Bench) -> None:
    script = "exec python3 -c 'import time; data = bytearray(120 << 20); time.sleep(30)'"
    job = bench.submit(script, "--mem=60")
    assert bench.wait_state(job) == "OUT_OF_MEMORY"
    assert bench.ask("sacct", "-nXP", "-o", "ExitCode", "-j", str(job)).strip() == "0:125"


def test_preemption_takes_a_node_after_the_grace_time(own: Bench, tmp_path: Path) -> None:
    low = control.PartitionConfig(name="low", priority_tier=0, grace_s=600.0)
    config = dataclasses.replace(FAST, partitions=(*FAST.partitions[:2], low))
    script = "srun bash -c 'trap \"echo warned\" TERM; echo up; while :; do sleep 0.1; done'"
    try:
        patient = Bench(control.up(config, name="patient"), tmp_path)
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


def test_reclaim_takes_jobs_back_and_requeues_them(own: Bench) -> None:
    job = own.submit("echo life ${SLURM_RESTART_COUNT:-0}; sleep 60", "--open-mode=append")
    own.wait_text(f"slurm-{job}.out", "life 0")
    control.reclaim(per_hour=36000, grace_s=0.1, seed=1, name="own")
    own.wait_text(f"slurm-{job}.out", "life 1")


def test_two_clusters_never_meet(own: Bench, tmp_path: Path) -> None:
    try:
        other = control.up(control.ClusterConfig(nodes=1), name="other")
        addresses = [
            {n["address"].rpartition(".")[0] for n in control.status(name)["nodes"]}
            for name in ("own", "other")
        ]
        assert not addresses[0] & addresses[1]
        assert control.list_clusters() == ["other", "own"]
        assert Bench(other, tmp_path).ask("squeue", "-h") == ""
    finally:
        end_all("other")


def test_another_configuration_is_refused(own: Bench) -> None:
    try:
        control.up(control.ClusterConfig(nodes=9), name="own")
    except Exception as error:
        assert "nodes is 4, not 9" in str(error)
    else:
        raise AssertionError("it was not refused")


def test_an_idle_daemon_uses_no_cpu(own: Bench) -> None:
    def ticks() -> int:
        words = Path(f"/proc/{_daemon_pid(own)}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])

    own.wait_state(own.submit("true"))
    time.sleep(0.2)
    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 1


def test_those_who_bring_a_cluster_up_at_the_same_time_get_the_same(own: Bench) -> None:
    control.down(own.cluster.name)
    code = (
        "import sys\n"
        "from hpckit.emulator import control\n"
        "from tests.emulator.conftest import FAST\n"
        "print(control.up(FAST, name=sys.argv[1]).bin_dir)\n"
        "print(control.status(sys.argv[1])['pid'])\n"
    )
    command = [sys.executable, "-c", code, own.cluster.name]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = [starter.communicate(timeout=60)[0] for starter in starters]
    assert said == [f"{own.cluster.bin_dir}\n{_daemon_pid(own)}\n"] * 6
