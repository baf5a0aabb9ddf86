"""srun: start a step in a job (or in an allocation of its own) and wait for its tasks.

Tasks write directly to srun's own descriptors; only ``--label`` and stdin go through pipes.
Source: srun(1).
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import Any

from hpckit.emulator import protocol
from hpckit.emulator.commands import client, options
from hpckit.emulator.commands.getopt import Parser, UsageError, convert
from hpckit.emulator.commands.streams import Streams

NAME = "srun"
_QUEUED_AFTER_S = 0.3
_BUSY_PAUSE_S = 0.05
_MAX_BUSY_PAUSE_S = 1.0


def main(state_dir: str, words: list[str]) -> int:
    """Run srun; return its exit code."""
    try:
        return _run(state_dir, words)
    except UsageError as error:
        client.complain(NAME, str(error))
        if not str(error).startswith(("error", "fatal")):
            sys.stderr.write('Try "srun --help" for more information\n')
        return error.exit_code
    except client.ControllerError as error:
        client.complain(NAME, f"error: {error.text}")
        return 1


def _run(state_dir: str, words: list[str]) -> int:
    parser = Parser(NAME, options.table(NAME), options.refused(NAME))
    line, command = parser.parse(words)
    chosen: dict[str, Any] = {o.long: convert(NAME, o, value) for o, value in line}
    if "version" in chosen:
        sys.stdout.write(client.VERSION + "\n")
        return 0
    if "help" in chosen or "usage" in chosen:
        names = "\n".join(f"  --{option.long}" for option in options.table(NAME))
        sys.stdout.write(f"Usage: srun [OPTIONS(0)... [executable(0) [args(0)...]]]\n{names}\n")
        return 0
    if not command:
        raise UsageError("fatal: No command given to execute.")
    if str(chosen.get("mpi", "none")) not in ("none", "list"):
        raise UsageError(f"error: Couldn't find the specified plugin name for mpi/{chosen['mpi']}")
    environment = _environment()
    job = int(chosen.get("jobid") or os.environ.get("SLURM_JOB_ID") or 0)
    merged = {**environment, **chosen}
    if job:
        return Step(state_dir, job, merged, chosen, command).run()
    return _allocate(state_dir, chosen, command)


def _environment() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in options.table(NAME):
        name = options.environment_name(option, NAME)
        if not name.startswith(("SLURM_", "SRUN_")) or name not in os.environ:
            continue
        value = os.environ[name]
        if option.long in ("export", "jobid", "job-name", "gpus", "gres", "chdir"):
            continue
        if option.argument == options.NONE and value.lower() in ("0", "no", "false"):
            continue
        found[option.long] = convert(NAME, option, value)
    return found


def _allocate(state_dir: str, chosen: dict[str, Any], command: list[str]) -> int:
    """Run one step in an allocation of its own, for an srun outside a job."""
    about = client.submitter()
    known = {option.long for option in options.table("sbatch")}
    asked = {key: value for key, value in chosen.items() if key in known}
    message = {"op": "allocate", "options": asked, "command": command[0],
               "default_name": command[0].rpartition("/")[2], **about}  # fmt: skip
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os._exit(1))  # the daemon releases the allocation
    sock = client.connect(state_dir)
    inbox = protocol.Inbox()
    protocol.send(sock, message)
    try:
        job = int(client.checked(state_dir, protocol.receive(sock, inbox))["job_id"])
        waits = not inbox.pending() and not select.select([sock], [], [], _QUEUED_AFTER_S)[0]
        if waits:
            client.complain(NAME, f"job {job} queued and waiting for resources")
        client.checked(state_dir, protocol.receive(sock, inbox))
        if waits:
            client.complain(NAME, f"job {job} has been allocated resources")
    except protocol.Closed:
        raise client.ControllerError("unreachable", "Job allocation has been revoked") from None
    except client.ControllerError as error:
        *lines, last = error.text.splitlines()
        for line in lines:
            client.complain(NAME, f"error: {line}")
        raise client.ControllerError(error.code, f"Unable to allocate resources: {last}") from None
    return Step(state_dir, job, chosen, chosen, command).run()


class Step:
    """One step: its request, its streams, and how its tasks ended."""

    def __init__(
        self, state_dir: str, job: int, merged: dict[str, Any], chosen: dict[str, Any],
        command: list[str],
    ) -> None:  # fmt: skip
        self.state_dir, self.job, self.command = state_dir, job, command
        self.options, self.chosen = merged, chosen
        self.step_id = ""
        self.nodes: list[str] = []
        self.tasks: list[list[int]] = []
        self.status: dict[str, list[int]] = {}
        self.interrupted = 0.0
        self.code = 0

    # -- request -------------------------------------------------------------------------

    def request(self) -> dict[str, Any]:
        """Return the step's request, as the daemon reads it."""
        o, c = self.options, self.chosen
        least, most = o.get("nodes") or (0, 0)
        tasks = o.get("ntasks", 0)
        if "nodes" in c and "ntasks" not in c:
            tasks = 0
        if tasks and least > tasks:
            if "nodes" in c or "ntasks" in c:
                client.complain(NAME, f"Warning: can't run {tasks} processes on {least} nodes, "
                                      f"setting nnodes to {tasks}")  # fmt: skip
            least = most = tasks
        per_node = o.get("ntasks-per-node", 0)
        if per_node and tasks and least and tasks > per_node * least:
            client.complain(
                NAME, f"Warning: can't honor --ntasks-per-node set to {per_node} which doesn't "
                f"match the requested tasks {tasks} with the number of requested nodes {least}. "
                "Ignoring --ntasks-per-node."
            )  # fmt: skip
            per_node = 0
        if "nodes" not in c:
            most = 0
            if tasks or o.get("nodelist"):
                least = 0
        bad = str(o.get("kill-on-bad-exit", "0"))
        return {
            "name": str(c.get("job-name") or self.command[0].rpartition("/")[2]),
            "ntasks": tasks, "min_nodes": least, "max_nodes": most,
            "ntasks_per_node": per_node,
            "cpus_per_task": o.get("cpus-per-task", 0),
            "memory_mib": c.get("mem", int(os.environ.get("SLURM_MEM_PER_NODE", "-1"))),
            **_gpus(c),
            "nodelist": c.get("nodelist", ""), "exclude": c.get("exclude", ""),
            "distribution": str(o.get("distribution", "")),
            "overlap": "overlap" in o, "exact": "exact" in o or "exclusive" in c,
            "overcommit": "overcommit" in o, "kill_on_bad_exit": bad not in ("0", "off"),
            "no_kill": o.get("no-kill", "off") != "off", "wait_s": o.get("wait", 0),
        }  # fmt: skip

    def _env(self) -> dict[str, str]:
        mode = str(self.chosen.get("export", os.environ.get("SLURM_EXPORT_ENV", "ALL")))
        given = dict(os.environ)
        given.pop("SLURM_TASK_PID", None)
        if mode == "ALL":
            return given
        from hpckit.emulator.daemon.environment import exported

        return exported(mode, given)

    # -- run -----------------------------------------------------------------------------

    def run(self) -> int:
        """Create the step (wait while its CPUs are busy), and wait for its end."""
        # A task that has ended, or never started, closes the pipe of its input.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        streams = Streams(self.options, self.layout)
        sock, inbox = self._create(streams)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._forward)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT, signal.SIGCONT):
            signal.signal(number, self._forward)
        signal.signal(signal.SIGINT, self._interrupt)
        streams.begin()
        while True:
            try:
                message = streams.receive(sock, inbox)
            except protocol.Closed:
                sock, inbox = self._reattach()
                continue
            if self._progress(message):
                break
        streams.finish()
        return self._exit_code()

    def layout(self) -> list[list[int]]:
        """Return the task ids per node."""
        return self.tasks

    def _create(self, streams: Streams) -> tuple[Any, protocol.Inbox]:
        message: dict[str, Any] = {
            "op": "step", "job_id": self.job, "argv": self.command, "env": self._env(),
            "cwd": os.path.abspath(str(self.chosen.get("chdir", os.getcwd()))),  # noqa: PTH100, PTH109
            "umask": _umask(), "request": self.request(), "extra_env": self._extra_env(),
        }  # fmt: skip
        pause, is_busy_reported = _BUSY_PAUSE_S, False
        while True:
            sock = client.connect(self.state_dir)
            inbox = protocol.Inbox()
            message["files"], fds = streams.offer(message["request"])
            protocol.send(sock, message, fds)
            reply = protocol.receive(sock, inbox)
            client.same_version(self.state_dir, reply)
            if "error" not in reply:
                if is_busy_reported:
                    client.complain(NAME, f"Step created for job {self.job}")
                self.step_id, self.nodes, self.tasks = (
                    reply["step_id"], reply["nodes"], reply["tasks"],
                )  # fmt: skip
                return sock, inbox
            sock.close()
            if reply["error"] == "too_few_nodes":
                raise client.ControllerError(reply["error"], reply["text"])
            if reply["error"] != "busy":
                *lines, last = reply["text"].splitlines()
                for line in lines:
                    client.complain(NAME, f"error: {line}")
                raise client.ControllerError(
                    reply["error"], f"Unable to create step for job {self.job}: {last}"
                )
            if not is_busy_reported:
                is_busy_reported = True
                client.complain(NAME, f"Job {self.job} step creation temporarily disabled, "
                                      "retrying (Requested nodes are busy)")  # fmt: skip
            time.sleep(pause)
            pause = min(pause * 1.5, _MAX_BUSY_PAUSE_S)

    def _extra_env(self) -> dict[str, str]:
        extra = {"SLURM_UMASK": f"{_umask():04o}"}
        if "label" in self.options:
            extra["SLURM_LABELIO"] = "1"
        if "overcommit" in self.options:
            extra["SLURM_OVERCOMMIT"] = "1"
        return extra

    def _reattach(self) -> tuple[Any, protocol.Inbox]:
        """Wait for the next daemon after the last one ended, and ask it about this step."""
        while not os.path.exists(f"{self.state_dir}/down"):  # noqa: PTH110
            try:
                sock = client.connect(self.state_dir)
            except client.ControllerError:
                continue
            protocol.send(sock, {"op": "follow_step", "job_id": self.job, "step_id": self.step_id,
                             "told": list(self.status)})  # fmt: skip
            return sock, protocol.Inbox()
        raise client.ControllerError("unreachable", "Lost the controller")

    # -- ends ----------------------------------------------------------------------------

    def _progress(self, message: dict[str, Any]) -> bool:
        if "error" in message:
            raise client.ControllerError(message["error"], message["text"])
        if "notice" in message:
            for line in message["notice"]:
                client.complain(NAME, line)
            return False
        fresh: dict[str, list[int]] = message["status"]
        for task, (code, signo) in sorted(fresh.items(), key=lambda item: int(item[0])):
            self.status[task] = [code, signo]
        self._report(fresh, message)
        return bool(message["over"])

    def _report(self, fresh: dict[str, list[int]], message: dict[str, Any]) -> None:
        groups: dict[tuple[str, str], list[int]] = {}
        for task, (code, signo) in fresh.items():
            if not code and not signo:
                continue
            node = self._node_of(int(task))
            what = f"Exited with exit code {code}" if not signo else signal_text(signo)
            if message["state"] == "OUT_OF_MEMORY" and signo == signal.SIGKILL:
                what = "Out Of Memory"
            groups.setdefault((node, what), []).append(int(task))
        for (node, what), tasks in groups.items():
            from hpckit.emulator.core.arrays import describe

            plural = "tasks" if len(tasks) > 1 else "task"
            client.complain(NAME, f"error: {node}: {plural} {describe(sorted(tasks))}: {what}")
        if message["over"] and message.get("forced"):
            client.complain(NAME, f"Force Terminated StepId={self.job}.{self.step_id}")
        if message["over"] and message["state"] == "NODE_FAIL":
            client.complain(NAME, "error: Node failure: a node of this step was lost")

    def _node_of(self, task: int) -> str:
        for node, tasks in zip(self.nodes, self.tasks, strict=True):
            if task in tasks:
                return node
        return "?"

    def _exit_code(self) -> int:
        """Return the highest exit code of the tasks; 128 plus the number for a signal."""
        worst = 0
        for code, signo in self.status.values():
            worst = max(worst, code, 128 + signo if signo else 0)
        missing = sum(len(t) for t in self.tasks) - len(self.status)
        return worst or (1 if missing else 0)

    # -- signals -------------------------------------------------------------------------

    def _forward(self, number: int, _frame: object) -> None:
        self._signal(number)

    def _interrupt(self, number: int, _frame: object) -> None:
        now = time.monotonic()
        if now - self.interrupted < 1.0:
            client.complain(NAME, "sending Ctrl-C to StepId="
                                  f"{self.job}.{self.step_id}")  # fmt: skip
            self._signal(signal.SIGINT)
        else:
            client.complain(NAME, "interrupt (one more within 1 sec to abort)")
            for tasks in self.tasks[:1]:
                client.complain(NAME, f"StepId={self.job}.{self.step_id} tasks {tasks[0]}: running")
        self.interrupted = now

    def _signal(self, number: int) -> None:
        if not self.step_id:
            os._exit(128 + number)
        try:
            client.ask(self.state_dir, {
                "op": "cancel", "jobs": [f"{self.job}.{self.step_id}"], "filters": {},
                "signal": 0 if number == signal.SIGTERM else number, "uid": os.getuid(),
            })  # fmt: skip
        except client.ControllerError as error:
            client.complain(NAME, f"error: {error.text}")


def _gpus(chosen: dict[str, Any]) -> dict[str, int]:
    """Return the GPUs that a step asks for, by the option it used; -1: all of the job's."""
    each = int(chosen.get("gpus-per-task", 0))
    gres = chosen.get("gres")
    per_node = int(gres.get("gpu", 0)) if gres is not None else chosen.get("gpus-per-node", -1)
    asked = {"gpus", "gpus-per-node", "gpus-per-task", "gres"} & chosen.keys()
    if not asked:  # the job's --gpus-per-task holds for its steps too
        each = int(os.environ.get("SLURM_GPUS_PER_TASK", "0"))
    return {"gpus": chosen.get("gpus", -1), "gpus_per_node": per_node, "gpus_per_task": each}


def signal_text(number: int) -> str:
    """Return ``Killed`` or ``Segmentation fault``, as strsignal(3) says."""
    return signal.strsignal(number) or f"Unknown signal {number}"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
