"""Running one Python call in the slot's warm interpreter."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from hpckit.common.processes import TASK_TOKEN, descendants_of, kill_all
from hpckit.model.failure_kind import FailureKind
from hpckit.model.task import Task, TaskSettings
from hpckit.protocol.result import OK, TaskResult
from hpckit.worker.cancellation import Cancellation
from hpckit.worker.task import python_worker
from hpckit.worker.task.capture import last_object
from hpckit.worker.task.classify_exit import ProcessEnd, classify
from hpckit.worker.task.environment import TaskContext
from hpckit.worker.task.process import WorkerShared, captures, end_task, limits_of
from hpckit.worker.task.process_monitor import DRAIN_BYTES, Exit, ProcessMonitor

_LEAVE_S: Final = 1.0


class WarmInterpreter:
    """One interpreter, started when first needed and again after each one that ended.

    Its methods are called from the slot's thread alone.
    """

    def __init__(self, python: str, token: str) -> None:
        self._python = python
        self._token = token
        self._process: subprocess.Popen[bytes] | None = None
        self._path: tuple[str, ...] = ()
        self._requests = -1
        self._replies = -1

    def call(
        self, task: Task, attempt: int, settings: TaskSettings, context: TaskContext,
        cancellation: Cancellation, shared: WorkerShared,
    ) -> TaskResult:  # fmt: skip
        """Call the task's function in `context`; every outcome is a result."""
        shared.oom.look()
        started_at, started = time.time(), time.monotonic()
        shared.orphans.task_starts(context.token)
        shared.orphans.task_starts(self._token)
        out, err = captures(settings)
        reply: dict[str, Any] = {}
        reason, status = "", 0
        try:
            process = self._ready(settings, context.env)
            assert process.stdout and process.stderr
            streams = {process.stdout.fileno(): out, process.stderr.fileno(): err}
            reason, status, reply = self._exchange(
                ProcessMonitor(streams), task, settings, context, cancellation, shared
            )
        except OSError as error:
            reply = {
                "kind": FailureKind.LOST,
                "message": f"this node cannot start {self._python}: {error}",
            }
        finally:
            shared.orphans.task_ended(context.token)
        wall_s = time.monotonic() - started
        code = reply.get("exit_code") if reply else os.waitstatus_to_exitcode(status)
        ending = ProcessEnd.of(code, reason, started_at, wall_s, err.text())
        kind, message = classify(task, settings, ending, shared.warning, shared.oom)
        if reply.get("kind") and not reason:
            kind = str(reply["kind"])
        stdout = out.text()
        return ending.result(
            task,
            attempt,
            kind=kind,
            message=message if kind == OK else reply.get("message") or message,
            cpu_s=reply.get("cpu_s", 0.0),
            max_rss_mib=reply.get("max_rss_mib", 0.0),
            stdout=stdout,
            value=reply.get("value") or last_object(stdout),
        )

    def close(self) -> None:
        """End the interpreter; idempotent."""
        process, self._process = self._process, None
        for handle in (self._requests, self._replies):
            if handle >= 0:
                os.close(handle)
        self._requests = self._replies = -1
        if process is None:
            return
        try:
            process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def _ready(self, settings: TaskSettings, env: dict[str, str]) -> subprocess.Popen[bytes]:
        if self._process and self._process.poll() is None and self._path == settings.python_path:
            return self._process
        self.close()
        theirs, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        self._path = settings.python_path
        script = str(Path(python_worker.__file__).resolve())
        try:
            self._process = subprocess.Popen(
                [self._python, "-u", script, str(theirs), str(replies), *settings.python_path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**env, TASK_TOKEN: self._token},
                pass_fds=(theirs, replies),
                start_new_session=True,
            )
        finally:
            os.close(theirs)
            os.close(replies)
        return self._process

    def _exchange(
        self,
        monitor: ProcessMonitor,
        task: Task,
        settings: TaskSettings,
        context: TaskContext,
        cancellation: Cancellation,
        shared: WorkerShared,
    ) -> tuple[str, int, dict[str, Any]]:
        """Send the request and wait; return the cut's reason, a wait status and the reply."""
        assert self._process
        pid = self._process.pid
        end = Exit(pid)
        status = 0
        reply: dict[str, Any] = {}
        try:
            self._send(task, context)
            limits = limits_of(settings, pid, self._token, shared.orphans)
            reason = monitor.wait(end, limits, cancellation, self._replies)
            if not reason:
                reply = self._read_reply()
            if reason or not reply:  # cut short, or the interpreter has ended
                end_task(pid, self._token, monitor, end, shared.orphans, gently=bool(reason))
                status = os.waitpid(pid, 0)[1]
                self._process.returncode = os.waitstatus_to_exitcode(status)
            else:
                kill_all(lambda: descendants_of(pid), rounds=5)
            shared.orphans.task_ended(self._token)
            monitor.drain()
        finally:
            end.close()
        return reason, status, reply

    def _send(self, task: Task, context: TaskContext) -> None:
        request = {
            "function": task.function,
            "kwargs": task.kwargs,
            "cwd": context.cwd,
            "env": context.env,
        }
        data = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # it has ended, which the wait finds out
            while data:
                data = data[os.write(self._requests, data) :]

    def _read_reply(self) -> dict[str, Any]:
        """Return the reply, ``{}`` if the interpreter ended instead."""
        data = b""
        os.set_blocking(self._replies, False)
        deadline = time.monotonic() + 60
        while not data.endswith(b"\n") and time.monotonic() < deadline:
            try:
                part = os.read(self._replies, DRAIN_BYTES)
            except BlockingIOError:
                time.sleep(0.001)
                continue
            if not part:
                return {}
            data += part
        try:
            found = json.loads(data)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
