"""A live emulated cluster under random work and faults, and its invariants.

Each example starts a cluster of its own, injects faults and ends it. Hypothesis chooses the moves,
so that a seed repeats them; the progress of the jobs between two moves depends on the machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from hpckit.emulator import control
from hpckit.emulator.core import arrays
from hpckit.emulator.core.model import FINAL

from .conftest import FAST, end_all

NAME = "soak"
CONFIG = dataclasses.replace(FAST, gpus=2)
NODES = [f"{NAME}-n{i}" for i in range(1, CONFIG.nodes + 1)]
SCRIPTS = (
    "true", "exit 3", "sleep 0.3", "sleep 2", "srun --overlap sleep 0.2", "kill -9 $$",
    "setsid sleep 300 & (sleep 300 &) ; sleep 0.2", "srun -l hostname; exit 1",
    "trap '' TERM; sleep 1; sleep 1", "srun sleep 0.5 & srun sleep 0.5 & wait", "sleep 300",
)  # fmt: skip
FLAGS = (
    [], ["-N2"], ["-n3"], ["--exclusive"], ["-p", "low"], ["-N3", "--no-kill"], ["--no-requeue"],
    ["--begin=now+1"], ["-c2"], ["--gres=gpu:1"], ["--gres=gpu:2", "-p", "low"], ["--mem=0"],
)  # fmt: skip
#: A job first locks its own id and its GPUs. A process that an earlier incarnation left running
#: still holds these locks.
PRELUDE = """#!/bin/bash
cd "$SLURM_SUBMIT_DIR"
exec 8> "job-$SLURM_JOB_ID"
flock -n 8 || echo "job $SLURM_JOB_ID lives twice" >> broken
for gpu in ${SLURM_JOB_GPUS//,/ }; do
  exec {fd}> "gpu-$SLURMD_NODENAME-$gpu"
  flock -n $fd || echo "GPU $gpu of $SLURMD_NODENAME was given twice" >> broken
done
"""
_MAX_JOBS = 25
_END_TIMEOUT_S = 60.0
_CHANGE_TIMEOUT_S = 3.0


class TotalCounts:
    """The counts of all examples together."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.broken: list[str] = []
        self.left: list[int] = []


class LiveSlurm(RuleBasedStateMachine):
    """Random submissions, changes, cancellations and faults, by the emulator's own commands."""

    jobs = Bundle("jobs")
    totals = TotalCounts()

    def __init__(self) -> None:
        super().__init__()
        self.totals.count["examples"] += 1
        self.tasks: dict[int, int] = {}  # job → number of tasks; 0: no array
        self.cancelled: dict[int, set[int]] = {}  # array → tasks that were cancelled one by one
        self.ended: dict[int, int] = {}  # job that was seen ended → its restarts then
        self.failed = False
        self.base = Path(tempfile.mkdtemp(prefix="hpckit-soak-"))
        self.before = os.environ.get("HPCKIT_EMULATOR_DIR")
        os.environ["HPCKIT_EMULATOR_DIR"] = str(self.base / "emulator")
        self.work = self.base / "work"
        self.work.mkdir()
        try:
            self.cluster = control.up(CONFIG, name=NAME)
        except BaseException:
            self._remove_files()
            raise

    # -- helpers -------------------------------------------------------------------------

    def must(self, holds: bool, what: str) -> None:
        """Record a failure and raise it, unless `holds`."""
        if not holds:
            self.failed = True
            self.totals.broken.append(what)
            raise AssertionError(what)

    def run(self, command: str, *words: str, script: str | None = None) -> tuple[int, str]:
        """Run a command, which may refuse but must not crash."""
        done = subprocess.run(
            [str(self.cluster.bin_dir / command), *words], cwd=self.work, text=True,
            capture_output=True, timeout=120, check=False, input=script,
        )  # fmt: skip
        well = "Traceback" not in done.stderr and "emulator bug" not in done.stderr
        self.must(well and "Unable to contact" not in done.stderr, f"{command}: {done.stderr}")
        return done.returncode, done.stdout

    def ask(self, command: str, *words: str, script: str | None = None) -> str:
        code, out = self.run(command, *words, script=script)
        self.must(code == 0, f"{command} {words} exits with {code}")
        return out

    def records(self) -> list[dict[str, Any]]:
        """Return every job as the daemon has it at one moment."""
        found: list[dict[str, Any]] = control._ask(NAME, {"op": "jobs"})["jobs"]
        return found

    def submit(self, words: list[str], script: str, tasks: int = 0) -> Any:
        """Submit a job, unless there are many unfinished ones."""
        if sum(job["state"] not in FINAL for job in self.records()) > _MAX_JOBS:
            return multiple()
        out = self.ask("sbatch", "--parsable", "-o", "/dev/null", "-t", "2", *words,
                       script=f"{PRELUDE}{script}\n")  # fmt: skip
        self.tasks[int(out)] = tasks
        self.totals.count["jobs"] += max(1, tasks)
        return int(out)

    # -- moves ---------------------------------------------------------------------------

    @rule(target=jobs, flags=st.sampled_from(FLAGS), script=st.sampled_from(SCRIPTS))
    def submits(self, flags: list[str], script: str) -> Any:
        return self.submit(flags, script)

    @rule(
        target=jobs, count=st.integers(1, 6), limit=st.sampled_from(["", "%1", "%2"]),
        script=st.sampled_from(SCRIPTS),
    )  # fmt: skip
    def submits_an_array(self, count: int, limit: str, script: str) -> Any:
        return self.submit(["-a", f"0-{count - 1}{limit}"], script, count)

    @rule(
        target=jobs, other=jobs, script=st.sampled_from(SCRIPTS),
        kind=st.sampled_from(["after", "afterok", "afterany", "afternotok"]),
    )  # fmt: skip
    def submits_a_dependent(self, other: int, script: str, kind: str) -> Any:
        return self.submit(["-d", f"{kind}:{other}"], script)

    @rule(job=jobs, how=st.sampled_from([[], [], ["-s", "USR1"], ["-b", "-s", "KILL"], ["-f"]]))
    def cancels(self, job: int, how: list[str]) -> None:
        self.run("scancel", *how, str(job))

    @rule(job=jobs, task=st.integers(0, 5))
    def cancels_a_task(self, job: int, task: int) -> None:
        if self.tasks[job]:
            self.cancelled.setdefault(job, set()).add(task)
            self.run("scancel", f"{job}_{task}")

    @rule(job=jobs, what=st.sampled_from(["requeue", "requeue", "hold", "release", "requeuehold"]))
    def changes(self, job: int, what: str) -> None:
        self.run("scontrol", what, str(job))

    @rule(node=st.sampled_from(NODES))
    def kills_a_node(self, node: str) -> None:
        self.totals.count["nodes killed"] += 1
        control.kill_node(node, name=NAME)

    @rule(node=st.sampled_from(NODES))
    def resumes_a_node(self, node: str) -> None:
        control.resume(node, name=NAME)

    @rule()
    def resumes_all(self) -> None:
        for node in NODES:
            control.resume(node, name=NAME)

    @rule(node=st.sampled_from(NODES))
    def drains_a_node(self, node: str) -> None:
        control.drain(node, name=NAME)

    @rule(now=st.sampled_from([False, False, True]))  # else it would be half of all moves
    def kills_the_daemon(self, now: bool) -> None:
        if now:
            self._kill_the_daemon(self._daemon())

    @rule(target=jobs, script=st.sampled_from(SCRIPTS), now=st.sampled_from([False, False, True]))
    def submits_before_a_crash(self, script: str, now: bool) -> Any:
        """Submit, and kill the daemon as soon as sbatch has printed the job's id."""
        daemon = self._daemon()
        job = self.submit([], script)
        if now and isinstance(job, int):
            self._kill_the_daemon(daemon)
        return job

    def _kill_the_daemon(self, pid: int) -> None:
        self.totals.count["daemons killed"] += 1
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while control.find(NAME) is not None and time.monotonic() < deadline:
            time.sleep(0.005)
        self.ask("squeue")  # starts the next daemon
        self.must(control.find(NAME) is not None, "no daemon started after the one that was killed")

    @rule()
    def waits_for_a_change(self) -> None:
        before = self._states()
        deadline = time.monotonic() + _CHANGE_TIMEOUT_S
        while self._states() == before and time.monotonic() < deadline:
            time.sleep(0.05)

    def _states(self) -> list[tuple[int, str]]:
        return [(job["job_id"], job["state"]) for job in self.records()]

    def _daemon(self) -> int:
        return int((self.cluster.state_dir / "lock").read_text())

    # -- invariants ------------------------------------------------------------------------

    @invariant()
    def everything_is_consistent(self) -> None:
        self.totals.count["steps"] += 1
        records = self.records()
        self._nothing_is_given_twice(records)
        self._no_job_is_lost(records)
        shown = self.ask("squeue", "-h", "-r", "-o", "%i").split()
        twice = [job for job, times in Counter(shown).items() if times > 1]
        self.must(not twice, f"squeue shows {twice} twice")
        for line in self.ask("sinfo", "-h", "-N", "-p", "main", "-o", "%N %C").splitlines():
            used, idle, other, total = (int(n) for n in line.split()[1].split("/"))
            self.must(used + idle + other == total == CONFIG.cpus, f"sinfo: {line}")
        trouble = self.work / "broken"
        self.must(not trouble.exists(), trouble.read_text() if trouble.exists() else "")

    def _nothing_is_given_twice(self, records: list[dict[str, Any]]) -> None:
        cpus: Counter[str] = Counter()
        memory: Counter[str] = Counter()
        gpus: Counter[tuple[str, int]] = Counter()
        for job in records:
            if job["state"] in ("RUNNING", "COMPLETING"):
                for node, share_cpus, share_memory, share_gpus in job["shares"]:
                    cpus[node] += share_cpus
                    memory[node] += share_memory
                    gpus.update((node, gpu) for gpu in share_gpus)
        for node in NODES:
            self.must(cpus[node] <= CONFIG.cpus, f"{cpus[node]} CPUs of {node} are given")
            self.must(memory[node] <= CONFIG.memory_mib, f"{memory[node]} MiB of {node} are given")
        twice = [gpu for gpu, times in gpus.items() if times > 1]
        self.must(not twice, f"GPUs {twice} are given twice")

    def _no_job_is_lost(self, records: list[dict[str, Any]]) -> None:
        known = {job["array_job_id"] or job["job_id"] for job in records}
        self.must(known == self.tasks.keys(), f"{self.tasks.keys() ^ known} are lost or strange")
        for job in records:
            life = self.ended.get(job["job_id"])
            over = job["state"] in FINAL
            again = life == job["restarts"] and not over
            self.must(not again, f"job {job['job_id']} was over and is {job['state']}")
            if over:
                self.ended[job["job_id"]] = job["restarts"]
        for job_id, count in self.tasks.items():
            if count:
                self._tasks_are_there(job_id, count, records)

    def _tasks_are_there(self, job_id: int, count: int, records: list[dict[str, Any]]) -> None:
        found: Counter[int] = Counter()
        for job in records:
            if job["array_job_id"] == job_id:
                found.update(job["waiting"] or [job["array_task_id"]])
        if -1 in found:  # all its pending tasks were cancelled, under the array's own id
            return
        found += self._tasks_without_record(job_id, found)
        self.must(found == Counter(range(count)), f"array {job_id} of {count} has {dict(found)}")

    def _tasks_without_record(self, job_id: int, found: Counter[int]) -> Counter[int]:
        """Return the pending tasks that were cancelled one by one: they have no record.

        A real Slurm keeps none either (ran: 22.05, squeue, scontrol and sacct).
        """
        count = self.tasks[job_id]
        gone = {task for task in self.cancelled.get(job_id, ()) if task < count}
        return Counter(gone - found.keys())

    # -- the end ---------------------------------------------------------------------------

    def teardown(self) -> None:
        """End all jobs, check accounting, end the cluster; check that nothing is left."""
        try:
            if not self.failed:
                self._settle()
        finally:
            try:
                end_all(NAME)
                self._nothing_is_left()
            finally:
                self._remove_files()

    def _settle(self) -> None:
        self.resumes_all()
        self.run("scancel", "--me")
        deadline = time.monotonic() + _END_TIMEOUT_S
        while (left := self.ask("squeue", "-h")) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.must(not left, f"never ended: {left}")
        self.everything_is_consistent()
        found: dict[int, Counter[int]] = {job: Counter() for job in self.tasks}
        for line in self.ask("sacct", "-nXP", "-o", "JobID,State,End").splitlines():
            label, state, end = line.split("|")
            self.must(state.split()[0] in FINAL and end != "Unknown", f"accounting has {line}")
            job, _, tasks = label.partition("_")
            numbers = arrays.parse(tasks.strip("[]"), 1001)[0] if tasks else [0]
            found.setdefault(int(job), Counter()).update(numbers)
        wanted = {job: Counter(range(max(1, count))) for job, count in self.tasks.items()}
        for job_id in self.cancelled:
            found[job_id] += self._tasks_without_record(job_id, found[job_id])
        self.must(found == wanted, f"accounting has {found}, but {wanted} were submitted")
        log = (self.cluster.state_dir / "slurmctld.log").read_text()
        self.must("Traceback" not in log, log[-3000:])

    def _nothing_is_left(self) -> None:
        deadline = time.monotonic() + 2.0  # the kernel needs time to remove killed processes
        while (left := processes_of(self.base)) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.totals.left += left
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.must(not left, f"processes {left} are left after down")

    def _remove_files(self) -> None:
        if self.before is None:
            os.environ.pop("HPCKIT_EMULATOR_DIR", None)
        else:
            os.environ["HPCKIT_EMULATOR_DIR"] = self.before
        shutil.rmtree(self.base, ignore_errors=True)


def processes_of(directory: Path) -> list[int]:
    """Return the processes whose environment or command line names the directory."""
    mark = f"{directory}/".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            about = (path / "environ").read_bytes() + (path / "cmdline").read_bytes()
            if mark in about and int(path.name) != os.getpid():
                found.append(int(path.name))
    return found
