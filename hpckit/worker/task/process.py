"""Running one command to its end."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any, Final

from hpckit.common.limits import SIGTERM_TO_SIGKILL_S
from hpckit.common.processes import descendants_of, pss_mib, rss_mib, send, wait_until_gone
from hpckit.model.failure_kind import FailureKind
from hpckit.model.task import Task, TaskSettings
from hpckit.protocol.result import TaskResult
from hpckit.worker.cancellation import Cancellation, SlurmWarning
from hpckit.worker.task.capture import Capture, last_object
from hpckit.worker.task.classify_exit import OomKills, ProcessEnd, classify
from hpckit.worker.task.environment import TaskContext, TaskStartError
from hpckit.worker.task.orphans import Orphans
from hpckit.worker.task.process_monitor import Exit, Limits, ProcessMonitor

#: Errors of starting that are the bag's fault; others, such as EAGAIN, are the node's.
_NOT_FOUND: Final = (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.ELOOP)
_TOO_LONG: Final = (errno.E2BIG, errno.ENAMETOOLONG, errno.EINVAL)


@dataclass(frozen=True)
class WorkerShared:
    """The objects that all tasks of a worker share."""

    orphans: Orphans
    warning: SlurmWarning
    oom: OomKills


def run_command(
    task: Task, attempt: int, settings: TaskSettings, context: TaskContext,
    cancellation: Cancellation, shared: WorkerShared,
) -> TaskResult:  # fmt: skip
    """Run the task's command in `context`; every outcome is a result, nothing is raised."""
    shared.oom.look()  # before: no task is told of kills that came before it
    started_at, started = time.time(), time.monotonic()
    shared.orphans.task_starts(context.token)  # before: its orphans may come at once
    try:
        child = _start([*settings.launch, *task.argv], context)
    except TaskStartError as error:
        shared.orphans.task_ended(context.token)
        return TaskResult(
            index=task.index,
            attempt=attempt,
            kind=error.kind,
            started_at=started_at,
            message=str(error),
        )
    out, err = captures(settings)
    reason, usage, status = _wait_for(child, settings, context, cancellation, shared, (out, err))
    wall_s = time.monotonic() - started
    code = os.waitstatus_to_exitcode(status)
    ending = ProcessEnd.of(code, reason, started_at, wall_s, err.text())
    kind, message = classify(task, settings, ending, shared.warning, shared.oom)
    stdout = out.text()
    return ending.result(
        task,
        attempt,
        kind=kind,
        message=message,
        cpu_s=usage.ru_utime + usage.ru_stime,
        max_rss_mib=usage.ru_maxrss / 1024,
        stdout=stdout,
        value=last_object(stdout),
    )


def captures(settings: TaskSettings) -> tuple[Capture, Capture]:
    """Return what keeps a task's stdout and stderr."""
    bounds = settings.output_head_bytes, settings.output_tail_bytes
    return Capture(*bounds), Capture(*bounds)


def limits_of(settings: TaskSettings, pid: int, token: str, orphans: Orphans) -> Limits:
    """Return the limits of a task that starts now and whose first process is `pid`."""

    def used_mib() -> float:
        pids = [pid, *descendants_of(pid), *orphans.of_task(token)]
        resident = rss_mib(pids)
        return resident if resident <= settings.memory_mib else pss_mib(pids)

    return Limits(
        deadline=time.monotonic() + settings.timeout_s if settings.timeout_s else 0.0,
        memory_mib=settings.memory_mib,
        used_mib=used_mib,
    )


def _start(argv: list[str], context: TaskContext) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=context.cwd,
            env=context.env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        words = getattr(error, "strerror", None) or str(error)
        if number in _NOT_FOUND:
            raise TaskStartError(FailureKind.NOT_FOUND, f"cannot run {argv[0]}: {words}") from error
        if number in _TOO_LONG or isinstance(error, ValueError):
            raise TaskStartError(FailureKind.ERROR, f"cannot run {argv[0]}: {words}") from error
        raise TaskStartError(
            FailureKind.LOST, f"this node cannot start {argv[0]}: {words}"
        ) from error


def _wait_for(
    child: subprocess.Popen[bytes],
    settings: TaskSettings,
    context: TaskContext,
    cancellation: Cancellation,
    shared: WorkerShared,
    kept: tuple[Capture, Capture],
) -> tuple[str, Any, int]:
    """Wait for the child within its limits; return the cut's reason, its usage and status."""
    assert child.stdout and child.stderr
    monitor = ProcessMonitor({child.stdout.fileno(): kept[0], child.stderr.fileno(): kept[1]})
    end = Exit(child.pid)
    try:
        limits = limits_of(settings, child.pid, context.token, shared.orphans)
        reason = monitor.wait(end, limits, cancellation)
        if reason:
            end_task(
                child.pid,
                context.token,
                monitor,
                end,
                shared.orphans,
                gently=reason != FailureKind.MEMORY,
            )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)  # else Popen waits for it as well
    finally:
        shared.orphans.task_ended(context.token)  # before the last read: they may write for ever
        monitor.drain()
        end.close()
        child.stdout.close()
        child.stderr.close()
    return reason, usage, status


def end_task(
    pid: int, token: str, monitor: ProcessMonitor, end: Exit, orphans: Orphans, *, gently: bool
) -> None:
    """End a task with all its descendants; `gently`: SIGTERM and `SIGTERM_TO_SIGKILL_S` first."""
    if gently:
        send([-pid], signal.SIGTERM)
        monitor.wait(end, Limits(deadline=time.monotonic() + SIGTERM_TO_SIGKILL_S), None)
    family = [*descendants_of(pid), *orphans.of_task(token)]
    send([-pid, pid, *family], signal.SIGKILL)
    if (
        monitor.wait(end, Limits(deadline=time.monotonic() + SIGTERM_TO_SIGKILL_S), None)
        == FailureKind.TIMEOUT
    ):
        send([pid, *descendants_of(pid)], signal.SIGKILL)
    wait_until_gone(family, 1.0)
