"""The daemon's loop: clients, step daemons, timers. The state machine makes all decisions.

One thread; it sleeps until a client or a step daemon sends something or a deadline passes.
"""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import shutil
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpckit.emulator import paths, protocol
from hpckit.emulator.config import ClusterConfig
from hpckit.emulator.core import effects, model, running, steps, tick
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.daemon.clock import Clock
from hpckit.emulator.daemon.launcher import Key, Launcher, StepDaemonHandle
from hpckit.emulator.daemon.store import Store

_STATE_DIR_CHECK_S = 30.0  # how often a daemon checks that its directory still exists
_REPORT_TIMEOUT_S = 5.0  # how long step daemons of a former daemon may take to report

Serve = Callable[["Server", "Client", dict[str, Any]], None]


class Client:
    """One connection of a command: requests and replies, without ever blocking the loop."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.inbox = sock, protocol.Inbox()
        self.pending = bytearray()
        self.closing = False
        self.on_close: Callable[[], None] | None = None

    def reply(self, message: dict[str, Any], *, last: bool = True) -> None:
        """Queue a message; close after it when it is the last."""
        self.pending += protocol.encode(message)
        self.closing = self.closing or last

    def flush(self) -> bool:
        """Send what the socket takes; return False when the connection is over."""
        while self.pending:
            try:
                sent = self.sock.send(self.pending)
            except BlockingIOError:
                return True
            except OSError:
                return False
            del self.pending[:sent]
        return not self.closing


class Server:
    """A running emulated cluster.

    Args:
        state_dir: its directory.
        config: its shape.
        address_block: the x and y of its nodes' 127.x.y.*.
        serve: answers one request of a client.
    """

    def __init__(
        self,
        state_dir: Path,
        config: ClusterConfig,
        *,
        address_block: tuple[int, int],
        serve: Serve,
    ) -> None:
        self.state_dir, self.config, self._serve = state_dir, config, serve
        self.machine = Machine(config, address_block=address_block)
        self.store = Store(str(state_dir / "slurm.sqlite"))
        self.clock = Clock(config.time_scale, self.store.fact("clock_offset") or 0.0)
        self.launcher = Launcher(state_dir, self.machine)
        self.selector = selectors.DefaultSelector()
        self.clients: dict[int, Client] = {}
        self.waiting: list[Callable[[], bool]] = []  # each returns True when it is done
        self.timers: list[tuple[float, Callable[[], None]]] = []  # (monotonic, action)
        self.stopping = False
        self.delay_s, self.slowed = 0.0, 0  # how late it answers; how often that was set
        self.reclaim: random.Random | None = None
        self.started = self.clock.now()
        self.listener: socket.socket | None = None
        self.known: set[int] = set()
        self._recover()

    # -- recovery --------------------------------------------------------------------------

    def _recover(self) -> None:
        self.machine.restore(self.store.live_jobs(), self.store.next_job_id())
        self.known = set(self.machine.jobs)
        downs = self.store.fact("nodes") or {}
        for name, state in downs.items():
            if name in self.machine.nodes:
                node = self.machine.nodes[name]
                node.dead = state["down"]
                node.down, node.drain, node.reason = state["down"], state["drain"], state["reason"]
        if self.machine.active:
            self.launcher.queued_orders = {}
            deadline = time.monotonic() + _REPORT_TIMEOUT_S
            self.timers.append((deadline, self._give_up_unreported_steps))

    def _give_up_unreported_steps(self) -> None:
        """Give up steps for which no step daemon answers: they were lost with the former daemon."""
        now = self.clock.now()
        self.launcher.queued_orders = None
        for job_id in sorted(self.machine.active):
            job = self.machine.jobs[job_id]
            lost = self._unreported_steps(job)
            if not lost:
                continue
            if any(step.step_id == model.BATCH for step, _ in lost):
                running.terminate(
                    self.machine, job, model.NODE_FAIL, now, requeue=job.request.requeue
                )
            for step, node in lost:
                report = {"status": {str(t): [0, 9] for t in step.tasks[step.nodes.index(node)]}}
                running.step_node_over(
                    self.machine, job_id, job.restarts, step.step_id, node, report, now
                )

    def _unreported_steps(self, job: model.Job) -> list[tuple[model.Step, str]]:
        """Return the steps of a job, with the node, of which no step daemon has reported."""
        return [
            (step, node) for step in job.steps.values() for node in list(step.live)
            if (job.job_id, job.restarts, step.step_id, node) not in self.launcher.step_daemons
        ]  # fmt: skip

    def awaits_step_daemons(self, name: str) -> bool:
        """Return True if steps may run on a node of which this daemon has not heard yet."""
        if self.launcher.queued_orders is None:
            return False
        jobs = (self.machine.jobs[job_id] for job_id in self.machine.nodes[name].jobs)
        return any(node == name for job in jobs for _, node in self._unreported_steps(job))

    # -- the loop --------------------------------------------------------------------------

    def listen(self) -> None:
        """Open the socket that the commands use."""
        if self.listener is not None:
            return
        path = paths.socket_path(str(self.state_dir))
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        address, descriptor = paths.sun_path(path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(address)
        if descriptor is not None:
            os.close(descriptor)
        self.listener.listen(256)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def stop_listening(self) -> None:
        """Close the socket, as when the controller is down."""
        if self.listener is not None:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None

    def run(self) -> None:
        """Serve until a request or a signal stops it."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "stopping", True))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(wake_read, selectors.EVENT_READ, self._on_wakeup)
        self._check_state_dir()
        self.settle()
        while not self.stopping:
            for key, mask in self.selector.select(self._timeout()):
                key.data(key.fileobj, mask)
            self._run_timers()
            self.settle()

    def _check_state_dir(self) -> None:
        """Stop if somebody removed the cluster's directory."""
        self.stopping = self.stopping or not (self.state_dir / "lock").exists()
        self.after(_STATE_DIR_CHECK_S, self._check_state_dir)

    def _on_wakeup(self, fd: int, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(fd, 4096)
        ended = set(self.launcher.sweep())
        for handle in [h for h in self.launcher.step_daemons.values() if h.pid in ended]:
            if handle.channel is not None:
                self._read_step_daemon(handle.channel, 0)  # its last report
            if handle.key in self.launcher.step_daemons and not handle.over:
                self._step_daemon_lost(handle)

    def _timeout(self) -> float | None:
        times = [when - time.monotonic() for when, _ in self.timers]
        due = tick.deadline(self.machine, self.clock.now())
        if due is not None:
            times.append(self.clock.real_delay(due) + 0.001)
        return max(0.0, min(times)) if times else None

    def _run_timers(self) -> None:
        now = time.monotonic()
        due = [action for when, action in self.timers if when <= now]
        self.timers = [(when, action) for when, action in self.timers if when > now]
        for action in due:
            action()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` in so many real seconds."""
        self.timers.append((time.monotonic() + seconds, action))

    def settle(self) -> None:
        """Advance the machine, carry out its effects, write changed jobs to the store."""
        machine = self.machine
        while True:
            tick.advance(machine, self.clock.now())
            todo = machine.take_effects()
            self._record()
            self._flush_all()  # a submitter may have to make a directory before its job needs it
            if not todo:
                break
            for effect in todo:
                self._apply_effect(effect)
        self.waiting = [waiter for waiter in self.waiting if not waiter()]
        self._flush_all()

    def _record(self) -> None:
        machine = self.machine
        changed = [machine.jobs[i] for i in sorted(machine.dirty) if i in machine.jobs]
        if changed or machine.retired:
            self.store.save([model.to_json(job) for job in changed], machine.retired)
        self.known |= machine.dirty
        machine.dirty, machine.retired = set(), []
        if len(self.known) > len(machine.jobs):
            gone = [i for i in self.known if i not in machine.jobs]
            self.store.forget(gone)
            self.known.difference_update(gone)
            for job_id in gone:
                self._drop_spool(job_id)

    def _drop_spool(self, job_id: int) -> None:
        if job_id not in self.machine.arrays:
            shutil.rmtree(self.state_dir / "spool" / f"job{job_id:05}", ignore_errors=True)

    def remember_nodes(self) -> None:
        """Write down which nodes are down or drained."""
        nodes = self.machine.nodes.values()
        self.store.put_fact("nodes", {
            n.name: {"down": n.down, "drain": n.drain, "reason": n.reason} for n in nodes
        })  # fmt: skip

    # -- effects ---------------------------------------------------------------------------

    def _apply_effect(self, effect: effects.Effect) -> None:
        if isinstance(effect, effects.Launch):
            self._launch(effect)
        elif isinstance(effect, effects.Signal):
            key = (effect.job_id, effect.restart, effect.step_id, effect.node)
            self.launcher.send_order(key, {
                "op": "signal", "signals": list(effect.signals), "to": self._signal_target(effect),
                "note": effect.note,
            })  # fmt: skip
        elif isinstance(effect, effects.KillStep):
            handle = self.launcher.step_daemons.get(
                (effect.job_id, effect.restart, effect.step_id, effect.node)
            )
            if handle is not None and handle.channel is not None:
                self.selector.unregister(handle.channel)
            self.launcher.kill((effect.job_id, effect.restart, effect.step_id, effect.node))
        elif isinstance(effect, effects.StepOver):
            self._drop_plan(effect.job_id, effect.step_id)

    def _signal_target(self, effect: effects.Signal) -> str:
        """Return which processes of a step get a signal: see ``proctrack``."""
        if effect.shell_only:
            return "tasks"
        if self.config.proctrack == "linuxproc":
            return "all"
        return "groups" if effect.group else "tasks"

    def _launch(self, effect: effects.Launch) -> None:
        job = self.machine.jobs[effect.job_id]
        step = job.steps.get(effect.step_id)
        if step is None or effect.node not in step.live:
            return
        if self.machine.nodes[effect.node].dead:
            return  # nothing starts there; the controller notices later
        try:
            handle = self.launcher.launch(job, step, effect.node)
        except OSError as error:
            self.log(f"cannot start {job.job_id}.{step.step_id} on {effect.node}: {error}")
            tasks = step.tasks[step.nodes.index(effect.node)]
            report = {"status": {str(task): [1, 0] for task in tasks}}
            running.step_node_over(
                self.machine, job.job_id, job.restarts, step.step_id, effect.node, report,
                self.clock.now(),
            )  # fmt: skip
            return
        assert handle.channel is not None
        self.selector.register(handle.channel, selectors.EVENT_READ, self._read_step_daemon)

    def _drop_plan(self, job_id: int, step_id: str) -> None:
        plan = self.launcher.plans.pop((job_id, step_id), None)
        for fd in plan.files.fds.values() if plan is not None else ():
            with contextlib.suppress(OSError):
                os.close(fd)

    # -- step daemons ----------------------------------------------------------------------

    def _read_step_daemon(self, channel: socket.socket, _mask: int) -> None:
        step_daemons = self.launcher.step_daemons.values()
        handle = next((h for h in step_daemons if h.channel is channel), None)
        if handle is None:
            return
        alive = handle.inbox.feed(channel)
        while (message := handle.inbox.next()) is not None:
            self._handle_report(handle, message)
        if not alive and handle.channel is channel:
            self.selector.unregister(channel)
            channel.close()
            handle.channel = None
            if not handle.over:
                self._step_daemon_lost(handle)

    def _handle_report(self, handle: StepDaemonHandle, message: dict[str, Any]) -> None:
        job_id, restart, step_id, node = handle.key
        now = self.clock.now()
        if message["op"] == "tasks":
            steps.task_over(self.machine, job_id, restart, step_id, message["status"], now)
        elif message["op"] == "over" and not handle.over:
            handle.over = True
            self.launcher.send_order(handle.key, {"op": "bye"})
            del self.launcher.step_daemons[handle.key]
            if handle.channel is not None:
                self.selector.unregister(handle.channel)
                handle.channel.close()
                handle.channel = None
            running.step_node_over(
                self.machine, job_id, restart, step_id, node, message["report"], now
            )

    def _step_daemon_lost(self, handle: StepDaemonHandle) -> None:
        """End the step on a node whose step daemon was killed: it sent no report."""
        self.launcher.kill(handle.key)
        job_id, restart, step_id, node = handle.key
        job = self.machine.jobs.get(job_id)
        if job is None or step_id not in job.steps or node not in job.steps[step_id].nodes:
            return
        step = job.steps[step_id]
        tasks = step.tasks[step.nodes.index(node)]
        report = {"status": {str(t): [0, 9] for t in tasks if str(t) not in step.status}}
        running.step_node_over(
            self.machine, job_id, restart, step_id, node, report, self.clock.now()
        )

    def reconnect(self, client: Client, message: dict[str, Any]) -> None:
        """Take over a step daemon that a former daemon started."""
        key: Key = (message["job_id"], message["restart"], message["step_id"], message["node"])
        self.selector.unregister(client.sock)
        del self.clients[client.sock.fileno()]
        job = self.machine.jobs.get(key[0])
        step = job.steps.get(key[2]) if job is not None and job.restarts == key[1] else None
        if job is None or step is None or key[3] not in step.live:
            with contextlib.suppress(OSError):
                client.sock.setblocking(True)
                protocol.send(client.sock, {"op": "kill"})
            client.sock.close()
            return
        pid = message["pid"]
        from hpckit.emulator.daemon import procs

        handle = StepDaemonHandle(key, pid, procs.start_time(pid), client.sock, client.inbox)
        self.launcher.step_daemons[key] = handle
        self.selector.register(client.sock, selectors.EVENT_READ, self._read_step_daemon)
        for order in (self.launcher.queued_orders or {}).pop(key, []):
            self.launcher.send_order(key, order)
        if message["status"]:
            steps.task_over(
                self.machine, key[0], key[1], key[2], message["status"], self.clock.now()
            )
        while (more := handle.inbox.next()) is not None:
            self._handle_report(handle, more)

    # -- clients ---------------------------------------------------------------------------

    def _accept(self, listener: socket.socket, _mask: int) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _pid, uid, _gid = struct.unpack("3i", credentials)
        if uid not in (os.geteuid(), 0):
            sock.close()
            return
        sock.setblocking(False)
        client = Client(sock)
        self.clients[sock.fileno()] = client
        self.selector.register(sock, selectors.EVENT_READ, self._read_client)

    def _read_client(self, sock: socket.socket, mask: int) -> None:
        client = self.clients.get(sock.fileno())
        if client is None:
            return
        if mask & selectors.EVENT_READ:
            alive = client.inbox.feed(sock)
            while (message := client.inbox.next()) is not None:
                if message.get("op") == "keeper":
                    self.reconnect(client, message)
                    return
                self._serve(self, client, message)
            if not alive:
                self._drop(client)
        # `settle` sends the replies, after the changes that they report are in the store.

    def _flush_all(self) -> None:
        for client in list(self.clients.values()):
            self._flush(client)

    def _flush(self, client: Client) -> None:
        number = client.sock.fileno()
        if number < 0:
            return
        if not client.flush():
            self._drop(client)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.pending else 0)
        if self.selector.get_key(client.sock).events != wanted:
            self.selector.modify(client.sock, wanted, self._read_client)

    def _drop(self, client: Client) -> None:
        number = client.sock.fileno()
        if number < 0:
            return
        self.selector.unregister(client.sock)
        self.clients.pop(number, None)
        client.sock.close()
        for fd in client.inbox.fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        client.inbox.fds.clear()
        if client.on_close is not None:
            client.on_close()

    def log(self, text: str) -> None:
        """Write a line to the daemon's log."""
        with (self.state_dir / "slurmctld.log").open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")

    # -- the end ---------------------------------------------------------------------------

    def close(self) -> None:
        """End all jobs and step daemons, and write how the jobs ended to the store."""
        self.stop_listening()
        now = self.clock.now()
        for job_id in sorted(self.machine.queue):
            running.cancel_pending(self.machine, self.machine.jobs[job_id], now, by=os.geteuid())
        for job_id in sorted(self.machine.active):
            job = self.machine.jobs[job_id]
            running.terminate(self.machine, job, model.CANCELLED, now)
            job.requeue_after = False
            for step in job.steps.values():
                step.cancelled = True
        self.machine.take_effects()
        deadline = time.monotonic() + 10
        for handle in list(self.launcher.step_daemons.values()):
            self.launcher.send_order(handle.key, {"op": "kill"})
        while self.launcher.step_daemons and time.monotonic() < deadline:
            for key, handle in list(self.launcher.step_daemons.items()):
                if handle.channel is not None and _ended(handle.channel, 0.05):
                    self.launcher.kill(key)
                    running.step_node_over(
                        self.machine, key[0], key[1], key[2], key[3], {}, self.clock.now()
                    )
        for key in list(self.launcher.step_daemons):
            self.launcher.kill(key)
        self.launcher.sweep()
        self.store.put_fact("clock_offset", self.clock.offset if self.config.time_scale != 1 else 0)
        self._record()
        self.store.close()


def _ended(channel: socket.socket, timeout_s: float) -> bool:
    channel.settimeout(timeout_s)
    try:
        return not channel.recv(65536)
    except TimeoutError:
        return False
    except OSError:
        return True
