"""The step daemon (slurmstepd) of one step on one node: it starts the step's tasks and ends them.

The daemon forks it. It becomes the virtual node (its name, its /etc/hosts) and a
child subreaper, starts the step's tasks, passes signals on, counts what they use, and when the
tasks are over ends whatever they left behind. It outlives the daemon: it waits for the next
one and reports what happened.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpckit.emulator import paths, protocol
from hpckit.emulator.core.model import BATCH
from hpckit.emulator.daemon import login, namespace, procs, stdio

_RECONNECT_S = 0.5
#: A job's script starts this long after its submission. Real nodes take longer, and submitters
#: such as submitit create the directory of a job's output only after sbatch printed its number.
LAUNCH_S = 0.1
_SAMPLE_FIRST_S, _SAMPLE_S, _SAMPLE_NEAR_S = 0.05, 1.0, 0.1
_DEFAULTS = [
    signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGQUIT,
]  # fmt: skip


@dataclass(slots=True)
class Orders:
    """The complete instructions for a step daemon: it asks the daemon nothing later."""

    job_id: int
    restart: int
    step_id: str
    node: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    tasks: list[int]
    state_dir: str
    files: stdio.Files
    task_env: list[dict[str, str]] = field(default_factory=list)  # what differs between tasks
    binds: dict[str, str] = field(default_factory=dict)
    namespaces: bool = True
    umask: int = 0o022
    memory_limit_mib: int = 0
    login_environment: bool = False
    path_first: str = ""  # what comes before the login shell's PATH
    not_before: float = 0.0  # Unix time


class StepDaemon:
    """One step daemon, from the fork to its exit."""

    def __init__(self, orders: Orders, channel: socket.socket) -> None:
        self.orders = orders
        self.channel: socket.socket | None = channel
        self.inbox = protocol.Inbox()
        self.outbox: list[dict[str, Any]] = []
        self.pids: dict[int, int] = {}  # pid → task
        self.status: dict[str, list[int]] = {}
        self.max_rss_kib = 0
        self.user_s = self.system_s = 0.0
        self.oom = False
        self.over = self.released = False
        self.sample_every_s = _SAMPLE_FIRST_S
        self.next_sample = 0.0
        self.next_connect = 0.0
        self.stderr_fd = -1
        self.selector = selectors.DefaultSelector()
        self.selector.register(channel, selectors.EVENT_READ)

    # -- start ---------------------------------------------------------------------------

    def start(self) -> None:
        """Become the node and start the tasks; what fails becomes the tasks' exit status."""
        orders = self.orders
        time.sleep(max(0.0, min(orders.not_before - time.time(), LAUNCH_S)))
        os.umask(orders.umask)
        if orders.namespaces:
            namespace.enter(orders.node, orders.binds)
        if orders.login_environment:
            orders.env = {**login.environment(), **orders.env}
            if not orders.env["PATH"].startswith(orders.path_first):
                orders.env["PATH"] = f"{orders.path_first}:{orders.env['PATH']}"
        problem = ""
        try:
            os.chdir(orders.cwd)
        except OSError as error:
            os.chdir("/tmp")
            problem = f"couldn't chdir to `{orders.cwd}': {error.strerror}: going to /tmp instead"
        for local, task in enumerate(orders.tasks):
            try:
                fds = stdio.open_for_task(orders.files, task, local)
            except OSError as error:
                self._note(f"Could not open {error.filename}: {error.strerror}")
                self.status[str(task)] = [0, 53]  # what Slurm reports for unusable output
                continue
            self.stderr_fd = os.dup(fds[2]) if self.stderr_fd < 0 else self.stderr_fd
            if problem:
                self._note(problem)
                problem = ""
            self._spawn(task, local, fds)
            for fd in fds:
                os.close(fd)
        stdio.close_given(orders.files)
        self.next_sample = time.monotonic() + self.sample_every_s
        self._send({"op": "started", "pids": list(self.pids)})
        if not self.pids:
            self._finish()

    def _spawn(self, task: int, local: int, fds: tuple[int, int, int]) -> None:
        orders = self.orders
        env = dict(orders.env)
        if orders.task_env:
            env |= orders.task_env[local]
        program = _find(orders.argv[0], env.get("PATH", ""))
        try:
            if not program:
                raise FileNotFoundError(2, "No such file or directory", orders.argv[0])
            pid = _fork_exec(program, orders.argv, env, fds)
        except OSError as error:
            what = _interpreter(program) if error.errno == 2 else ""
            name = f"bad interpreter({what})" if what else orders.argv[0]
            self._note(f"execve(): {name}: {error.strerror}")
            self.status[str(task)] = [2 if error.errno == 2 else 13, 0]
            return
        self.pids[pid] = task

    def _note(self, text: str) -> None:
        line = f"slurmstepd-{self.orders.node}: error: {text}\n"
        with contextlib.suppress(OSError):
            if self.stderr_fd >= 0:
                os.write(self.stderr_fd, line.encode(errors="surrogateescape"))

    # -- loop ----------------------------------------------------------------------------

    def run(self) -> None:
        """Watch tasks, orders and memory until all tasks are over and the daemon knows it."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self.selector.register(wake_read, selectors.EVENT_READ)
        self.start()
        while not self.released:
            for key, _ in self.selector.select(self._timeout()):
                if key.fd == wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, 4096)
                elif self.channel is not None:
                    self._listen()
            self._reap()
            if self.pids and time.monotonic() >= self.next_sample:
                self._sample()
            if self.channel is None and time.monotonic() >= self.next_connect:
                self._reconnect()

    def _timeout(self) -> float | None:
        times = []
        if self.pids:
            times.append(self.next_sample)
        if self.channel is None:
            times.append(self.next_connect)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _reap(self) -> None:
        changed: dict[str, list[int]] = {}
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            self.user_s += usage.ru_utime
            self.system_s += usage.ru_stime
            task = self.pids.pop(pid, None)
            if task is not None:
                code = os.waitstatus_to_exitcode(status)
                changed[str(task)] = [code, 0] if code >= 0 else [0, -code]
        if changed:
            self.status |= changed
            if self.pids or self.orders.step_id != BATCH:
                self._send({"op": "tasks", "status": changed})
            if not self.pids:
                self._finish()

    def _finish(self) -> None:
        if self.over:
            return
        self.over = True
        procs.kill_descendants(os.getpid())
        report = {
            "status": self.status, "max_rss_kib": self.max_rss_kib, "oom": self.oom,
            "user_s": round(self.user_s, 6), "system_s": round(self.system_s, 6),
        }  # fmt: skip
        self._send({"op": "over", "report": report})

    # -- memory --------------------------------------------------------------------------

    def _sample(self) -> None:
        pids = procs.descendants(os.getpid())
        used = procs.resident_kib(pids)
        limit = self.orders.memory_limit_mib * 1024
        if limit and used > limit:
            used = procs.proportional_kib(pids) or used
        self.max_rss_kib = max(self.max_rss_kib, used)
        if limit and used > limit and not self.oom:
            self.oom = True
            self._note(f"Detected 1 oom_kill event in StepId={self._step_name()}. "
                       "Some of the step tasks have been OOM Killed.")  # fmt: skip
            procs.send(pids, (signal.SIGKILL,))
        longer = min(self.sample_every_s * 2, _SAMPLE_S)
        self.sample_every_s = _SAMPLE_NEAR_S if limit and used > limit // 2 else longer
        self.next_sample = time.monotonic() + self.sample_every_s

    def _step_name(self) -> str:
        return f"{self.orders.job_id}.{self.orders.step_id}"

    # -- the daemon ----------------------------------------------------------------------

    def _listen(self) -> None:
        assert self.channel is not None
        alive = self.inbox.feed(self.channel)
        while (message := self.inbox.next()) is not None:
            self._handle_order(message)
        if not alive:
            self._lose_channel()

    def _handle_order(self, message: dict[str, Any]) -> None:
        if message["op"] == "bye":
            self.released = True
        elif message["op"] == "kill":
            self.pids.clear()
            procs.kill_descendants(os.getpid())
            self.released = True
        elif message["op"] == "signal":
            if message.get("note"):
                self._note(message["note"].format(node=self.orders.node))
            self._signal(message["to"], tuple(message["signals"]))

    def _signal(self, to: str, signals: tuple[int, ...]) -> None:
        if to == "all" or signal.SIGKILL in signals:
            procs.send(procs.descendants(os.getpid()), signals)
        elif to == "groups":
            procs.send([-pid for pid in self.pids], signals)
        else:
            procs.send(list(self.pids), signals)

    def _send(self, message: dict[str, Any]) -> None:
        if message["op"] != "tasks":
            self.outbox = [message]  # to send again to a new daemon
        if self.channel is None:
            return
        try:
            protocol.send(self.channel, message)
        except OSError:
            self._lose_channel()

    def _lose_channel(self) -> None:
        if self.channel is not None:
            self.selector.unregister(self.channel)
            self.channel.close()
            self.channel = None
        self.next_connect = time.monotonic() + _RECONNECT_S

    def _reconnect(self) -> None:
        state = Path(self.orders.state_dir)
        if (state / "down").exists() or not state.exists():
            procs.kill_descendants(os.getpid())
            os._exit(0)
        try:
            channel = protocol.connect(paths.socket_path(self.orders.state_dir))
        except OSError:
            self.next_connect = time.monotonic() + _RECONNECT_S
            return
        self.channel, self.inbox = channel, protocol.Inbox()
        self.selector.register(channel, selectors.EVENT_READ)
        orders = self.orders
        hello = {
            "op": "keeper", "job_id": orders.job_id, "restart": orders.restart,
            "step_id": orders.step_id, "node": orders.node, "pid": os.getpid(),
            "status": self.status,
        }  # fmt: skip
        backlog, self.outbox = self.outbox, self.outbox
        for message in [hello, *backlog]:
            try:
                protocol.send(channel, message)
            except OSError:
                self._lose_channel()
                return


def _fork_exec(program: str, argv: list[str], env: dict[str, str], fds: tuple[int, ...]) -> int:
    """Start a program in a process group of its own; its pid is in SLURM_TASK_PID.

    Raises:
        OSError: it cannot be executed.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            os.setpgid(0, 0)
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
            for signo in _DEFAULTS:
                signal.signal(signo, signal.SIG_DFL)
            os.execve(program, argv, env | {"SLURM_TASK_PID": str(os.getpid())})
        except OSError as error:
            os.write(write_end, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        failed = pipe.read()
    if failed:
        os.waitpid(pid, 0)
        raise OSError(int(failed), os.strerror(int(failed)), program)
    return pid


def _interpreter(program: str) -> str:
    """Return the interpreter that a script names and that is not there, or ''."""
    if not program:
        return ""
    with open(program, "rb") as file:  # noqa: PTH123
        line = file.readline(256)
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    return words[0] if words and not Path(words[0]).exists() else ""


def _find(program: str, path: str) -> str:
    if "/" in program:
        return program if Path(program).exists() else ""
    for directory in path.split(os.pathsep) if path else ():
        candidate = os.path.join(directory or ".", program)  # noqa: PTH118
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):  # noqa: PTH112
            return candidate
    return ""


def main(orders: Orders, channel: socket.socket) -> None:
    """Run a step daemon in a process that was just forked; never returns."""
    code = 1
    try:
        os.setsid()
        _close_all_but({channel.fileno(), *stdio.given(orders.files)})
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        namespace.become_subreaper("slurmstepd")
        StepDaemon(orders, channel).run()
        code = 0
    except BaseException:  # a forked child must never return into the daemon's code
        import traceback

        with contextlib.suppress(OSError):
            path = Path(orders.state_dir) / "keepers.log"
            with path.open("a") as log:
                traceback.print_exc(file=log)
        procs.kill_descendants(os.getpid())
    finally:
        os._exit(code)


def _close_all_but(kept: set[int]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        if number not in kept:
            os.dup2(null, number)
    kept |= {0, 1, 2}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))
