"""Fork step daemons and send them orders: the layer between the state machine and processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpckit.emulator import protocol
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.core.model import BATCH, Job, Step
from hpckit.emulator.daemon import environment, namespace, patterns, procs, stdio
from hpckit.emulator.daemon.stepd import LAUNCH_S, Orders
from hpckit.emulator.daemon.stepd import main as run_step_daemon

Key = tuple[int, int, str, str]  # job id, restart, step id, node


@dataclass(slots=True)
class StepDaemonHandle:
    """A step daemon as the daemon sees it."""

    key: Key
    pid: int
    started: int  # with the pid this names the process
    channel: socket.socket | None
    inbox: protocol.Inbox = field(default_factory=protocol.Inbox)
    over: bool = False


@dataclass(slots=True)
class StepPlan:
    """The data that srun gave for a step: command, environment, descriptors."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    umask: int
    files: stdio.Files
    extra_env: dict[str, str] = field(default_factory=dict)


class Launcher:
    """Starts step daemons for the machine's `Launch` effects, and sends them orders.

    Args:
        state_dir: the cluster's directory.
        machine: knows the jobs and steps.
    """

    def __init__(self, state_dir: Path, machine: Machine) -> None:
        self.state_dir, self.machine = state_dir, machine
        self.bin_dir = state_dir / "bin"
        self.step_daemons: dict[Key, StepDaemonHandle] = {}
        self.plans: dict[tuple[int, str], StepPlan] = {}
        #: Orders for step daemons that a former daemon started and that have not reported to this
        #: one; None once all have reported or are given up.
        self.queued_orders: dict[Key, list[dict[str, Any]]] | None = None
        self.namespaces = namespace.allowed()
        namespace.write_hosts(
            state_dir / "hosts", {n.name: n.address for n in machine.nodes.values()}
        )
        namespace.write_profile(state_dir / "profile", self.bin_dir)

    def spool(self, job: Job) -> Path:
        """Return the directory that holds a job's script and environment."""
        return Path(job.request.spool)

    def launch(self, job: Job, step: Step, node: str) -> StepDaemonHandle:
        """Fork the step daemon of a step on a node.

        Raises:
            OSError: the job's script is missing, or no process can be started.
        """
        batch = step.step_id == BATCH
        orders = self._batch_orders(job, node) if batch else self._step_orders(job, step, node)
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            run_step_daemon(orders, theirs)
        theirs.close()
        ours.setblocking(False)
        key = (job.job_id, job.restarts, step.step_id, node)
        handle = StepDaemonHandle(key, pid, procs.start_time(pid), ours)
        self.step_daemons[key] = handle
        return handle

    def _batch_orders(self, job: Job, node: str) -> Orders:
        spool = self.spool(job)
        script = spool / "slurm_script"
        meta = json.loads((spool / "meta.json").read_text())
        given = environment.exported(job.request.export, meta["env"])
        env = given | environment.of_batch(job, cluster=self.machine.config.name)
        self._common(env, given)
        env.setdefault("TMPDIR", "/tmp")
        request = job.request
        login = environment.wants_login(request.export)
        if login:
            env["SLURM_GET_USER_ENV"] = "1"
        default = "slurm-%A_%a.out" if job.is_array else "slurm-%j.out"
        files = stdio.Files(
            _within(request.work_dir, request.stdin),
            _within(request.work_dir, request.stdout or default),
            _within(request.work_dir, request.stderr),
            pattern_values(job, BATCH, node, 0), request.open_mode == "a",
        )  # fmt: skip
        orders = self._orders(job, BATCH, node, files, env, [str(script), *request.arguments],
                              request.work_dir, [0], meta["umask"])  # fmt: skip
        orders.not_before = (spool / "meta.json").stat().st_mtime + LAUNCH_S
        if login:
            orders.login_environment, orders.path_first = True, env["PATH"]
            if "PATH" not in given:
                orders.path_first = os.pathsep.join(self._path_first())
                del env["PATH"]
        return orders

    def _step_orders(self, job: Job, step: Step, node: str) -> Orders:
        plan = self.plans[(job.job_id, step.step_id)]
        about = self.machine.nodes[node]
        given = environment.without_gpus(plan.env) if job.share_of(node).gpus else plan.env
        env = given | environment.of_step(job, step, about, cluster=self.machine.config.name)
        env |= plan.extra_env
        self._common(env, plan.env)
        if "PATH" not in plan.env:
            del env["PATH"]  # not exported: then srun finds no command without a slash
        env["SLURM_LAUNCH_NODE_IPADDR"] = self.machine.nodes[job.nodes[0]].address
        env["SLURM_SRUN_COMM_HOST"] = env["SLURM_LAUNCH_NODE_IPADDR"]
        index = step.nodes.index(node)
        files = stdio.Files(
            plan.files.stdin, plan.files.stdout, plan.files.stderr,
            pattern_values(job, step.step_id, node, index), plan.files.append,
            plan.files.fds,
        )  # fmt: skip
        orders = self._orders(job, step.step_id, node, files, env, plan.argv, plan.cwd,
                              step.tasks[index], plan.umask)  # fmt: skip
        count = len(orders.tasks)
        orders.task_env = [environment.of_task(step, node, local) for local in range(count)]
        return orders

    def _orders(  # noqa: PLR0913, PLR0917 - the fields of Orders
        self, job: Job, step_id: str, node: str, files: stdio.Files, env: dict[str, str],
        argv: list[str], cwd: str, tasks: list[int], umask: int,
    ) -> Orders:  # fmt: skip
        binds = {
            "/etc/hosts": str(self.state_dir / "hosts"),
            "/etc/profile": str(self.state_dir / "profile"),
        }
        limit = job.share_of(node).memory_mib if self.machine.config.constrain_memory else 0
        return Orders(
            job.job_id, job.restarts, step_id, node, argv, env, cwd, tasks, str(self.state_dir),
            files, binds=binds, namespaces=self.namespaces, umask=umask, memory_limit_mib=limit,
        )  # fmt: skip

    def _path_first(self) -> list[str]:
        """Return the directories that come first on every PATH: shims if need be, commands."""
        return (
            [str(self.bin_dir)]
            if self.namespaces
            else [str(self.state_dir / "shims"), str(self.bin_dir)]
        )

    def _common(self, env: dict[str, str], given: dict[str, str]) -> None:
        first = self._path_first()
        path = [p for p in given.get("PATH", os.defpath).split(os.pathsep) if p not in first]
        env["PATH"] = os.pathsep.join(first + path)
        env["SLURM_CONF"] = str(self.state_dir / "slurm.conf")

    # -- signals -------------------------------------------------------------------------

    def send_order(self, key: Key, message: dict[str, Any]) -> None:
        """Send an order to a step daemon. One that has ended is ignored; one that has not reported
        to this daemon yet gets the order when it does."""
        handle = self.step_daemons.get(key)
        if handle is None and self.queued_orders is not None:
            self.queued_orders.setdefault(key, []).append(message)
        if handle is not None and handle.channel is not None:
            with contextlib.suppress(OSError):
                handle.channel.setblocking(True)
                protocol.send(handle.channel, message)
                handle.channel.setblocking(False)

    def kill(self, key: Key) -> None:
        """End a step daemon and all its processes at once, as when a node loses power."""
        handle = self.step_daemons.pop(key, None)
        if handle is None:
            return
        if procs.start_time(handle.pid) == handle.started:
            procs.kill_with_descendants(handle.pid)
        if handle.channel is not None:
            handle.channel.close()
            handle.channel = None

    def sweep(self) -> list[int]:
        """Reap ended children and return their pids; end what a killed step daemon left running."""
        ended = []
        while True:
            try:
                pid, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            ended.append(pid)
        if ended:
            known = {handle.pid for handle in self.step_daemons.values()}
            unknown_pids = [pid for pid in procs.children(os.getpid()) if pid not in known]
            for pid in unknown_pids:
                procs.send([pid, *procs.descendants(pid)], (signal.SIGKILL,))
        return ended


def _within(directory: str, name: str) -> str:
    return os.path.join(directory, name) if name else ""  # noqa: PTH118


def pattern_values(job: Job, step_id: str, node: str, index: int) -> dict[str, str]:
    """Return what the letters of file name patterns mean for a step on a node."""
    array = job.array_job_id or job.job_id
    return {
        "A": str(array), "j": str(job.job_id), "x": job.request.name, "u": job.request.user,
        "N": node.partition(".")[0], "n": str(index), "s": step_id, "t": "0",
        "a": str(job.array_task_id) if job.array_job_id else "4294967294",
        "J": f"{job.job_id}.{step_id}" if step_id != BATCH else str(job.job_id),
    }  # fmt: skip


def output_path(job: Job, *, error: bool = False) -> str:
    """Return where a batch job's stdout (or stderr) goes, as scontrol shows it."""
    request = job.request
    default = "slurm-%A_%a.out" if job.is_array else "slurm-%j.out"
    pattern = (request.stderr if error else "") or request.stdout or default
    node = job.nodes[0] if job.shares else "%N"
    name = patterns.expand(pattern, pattern_values(job, BATCH, node, 0))
    return os.path.join(request.work_dir, name)  # noqa: PTH118
