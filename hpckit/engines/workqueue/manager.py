"""The process that holds Work Queue's manager: a script of its own, driven through two pipes.

It is a process because the binding is bound to one Python (Debian 12's to CPython 3.11),
because its ``wait`` keeps the interpreter lock for up to a second, and because its library
exits the process on some errors. So it runs under whichever Python has the binding, and
imports nothing of hpckit. Both of its APIs serve: ``work_queue`` (Debian 12) and
``ndcctools.work_queue`` (7.10 and newer).

``python workqueue_manager.py --probe`` prints the binding's name and file, or fails. Otherwise the
arguments are the numbers of the pipes of commands and of events, each one JSON a line::

    commands  {"start": {"port": …, "password_file": …, "directory": …, "keepalive_s": …}}
              {"submit": ID, "file": PATH, "cores": …, "memory_mib": …, "gpus": …}
              {"cancel": ID}
    events    {"listening": PORT, "binding": NAME}
              {"returned": ID, "file": PATH}  {"lost": ID, "why": …}  {"failed": WHY}

It ends when its commands end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

#: What a worker runs for each bundle; the worker has these variables from hpckit's node side.
COMMAND = 'exec "$HPCKIT_PYTHON" -S -E "$HPCKIT_CLIENT" bundle result'
IDLE_S = 0.5
#: While the queue waits, no command is heard before a bundle comes back or a second is over. So the
#: head may take so long to answer one that has come back, and to send the next of several commands.
ANSWER_S, NEXT_S = 0.01, 0.003
GONE = "its worker has ended"
_READY = 1  # WORK_QUEUE_TASK_READY and _RUNNING, the same in all versions
_RUNNING = 2
_INPUT_MISSING = 1  # WORK_QUEUE_RESULT_INPUT_MISSING


def load_binding() -> Any:
    """Return Work Queue's module, the newer API first.

    Raises:
        ImportError: this Python has neither.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Debian 12's imports distutils
        try:
            import ndcctools.work_queue as found
        except ImportError:
            import work_queue as found
    return found


class Manager:
    """The queue, and what has been submitted to it."""

    def __init__(self, binding: Any, settings: dict[str, Any]) -> None:
        self._binding = binding
        self._directory = Path(settings["directory"])
        self._queue = binding.WorkQueue(port=settings["port"])
        self._queue.specify_password_file(settings["password_file"])
        self._queue.specify_keepalive_interval(settings["keepalive_s"])
        self._queue.specify_keepalive_timeout(settings["keepalive_s"])
        self._tasks: dict[int, Any] = {}  # by Work Queue's number
        self._numbers: dict[str, int] = {}  # by bundle
        self._sent: set[int] = set()
        self._submitted = 0

    @property
    def port(self) -> int:
        """Where workers find it."""
        return int(self._queue.port)

    def submit(self, message: dict[str, Any]) -> None:
        """Submit a bundle that lies in a file."""
        bundle = str(message["submit"])
        task = self._binding.Task(COMMAND)
        task.specify_input_file(message["file"], "bundle", cache=False)
        task.specify_output_file(self._result(bundle), "result", cache=False)
        task.specify_cores(message["cores"])
        if message["memory_mib"]:
            task.specify_memory(message["memory_mib"])
        if message["gpus"]:
            task.specify_gpus(message["gpus"])
        task.specify_max_retries(1)
        task.specify_priority(-self._submitted)  # in their order: 9.9 takes the last one first
        self._submitted += 1
        task.hpckit = (bundle, message["file"])
        number = int(self._queue.submit(task))
        self._tasks[number] = task
        self._numbers[bundle] = number

    def cancel(self, bundle: str) -> None:
        """Take a bundle back; unknown ones are ignored."""
        number = self._numbers.get(bundle)
        if number is not None:
            self._queue.cancel_by_taskid(number)
            self._forget(number)

    def wait(self) -> list[dict[str, Any]]:
        """Let the queue work for at most a second; return what has happened."""
        done = self._queue.wait(timeout=1)
        events = [self._done(done)] if done else []
        for number, task in list(self._tasks.items()):
            if self._was_lost(number, task):
                self.cancel(task.hpckit[0])
                events.append({"lost": task.hpckit[0], "why": GONE})
        return events

    def _was_lost(self, number: int, task: Any) -> bool:
        """Return True if a task has lost its worker; it may have started on another since."""
        starts = int(task._task.try_count)  # `total_submissions` is broken in 9.9
        if starts == 1 and self._queue.task_state(number) == _RUNNING:
            # A bundle is sent once. Should its worker go and the queue choose another within
            # the next wait, it finds no file and comes back as failed.
            if number not in self._sent:
                self._sent.add(number)
                Path(task.hpckit[1]).unlink(missing_ok=True)
            return False
        # Both may also have come about within a single wait.
        return starts > 1 or (starts == 1 and self._queue.task_state(number) == _READY)

    def _done(self, task: Any) -> dict[str, Any]:
        bundle = task.hpckit[0]
        number = self._numbers.get(bundle, -1)
        self._forget(number)
        result = self._result(bundle)
        if task.result == 0 and task.return_status == 0 and Path(result).exists():
            return {"returned": bundle, "file": result}
        if task.result == _INPUT_MISSING:
            return {"lost": bundle, "why": GONE}
        said = " ".join(str(task.output or "").split())[-300:]
        why = f"Work Queue result {task.result}, exit code {task.return_status}: {said}"
        return {"lost": bundle, "why": why}

    def _forget(self, number: int) -> None:
        task = self._tasks.pop(number, None)
        self._sent.discard(number)
        if task is not None:
            self._numbers.pop(task.hpckit[0], None)
            Path(task.hpckit[1]).unlink(missing_ok=True)
        getattr(self._queue, "_task_table", {}).pop(number, None)

    def _result(self, bundle: str) -> str:
        return str(self._directory / f"{bundle}.result")


class Lines:
    """Commands, as they come."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._rest = b""
        self.ended = False

    def read(self, limit_s: float) -> list[dict[str, Any]]:
        """Return what has come, waiting at most `limit_s` for something, then for more of it."""
        while select.select([self._handle], [], [], limit_s)[0]:
            data = os.read(self._handle, 1 << 20)
            if not data:
                self.ended = True
                break
            self._rest += data
            limit_s = NEXT_S
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]


def serve(commands: Lines, events: int) -> None:
    """Do what the commands say until they end."""
    manager: Manager | None = None
    patience_s = IDLE_S
    while not commands.ended:
        for message in commands.read(patience_s):
            if "start" in message:
                binding = load_binding()
                manager = Manager(binding, message["start"])
                _tell(events, [{"listening": manager.port, "binding": binding.__name__}])
            elif manager and "submit" in message:
                manager.submit(message)
            elif manager and "cancel" in message:
                manager.cancel(message["cancel"])
        if manager:
            happened = manager.wait()
            _tell(events, happened)
            patience_s = ANSWER_S if happened else 0.0


def _tell(handle: int, events: list[dict[str, Any]]) -> None:
    data = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    while data:
        data = data[os.write(handle, data) :]


def main() -> int:
    """Probe for the binding, or serve the two pipes; return the exit code."""
    del sys.path[0]  # this directory: its `ray` and `pool` are nobody's modules
    if sys.argv[1:] == ["--probe"]:
        try:
            found = load_binding()
            sys.stdout.write(f"{found.__name__}\n{found.__file__}\n")
        except Exception as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            return 1
        return 0
    commands, events = int(sys.argv[1]), int(sys.argv[2])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # Slurm may warn all of a job; the head decides
    try:
        serve(Lines(commands), events)
    except BrokenPipeError:
        return 0  # the head has ended
    except Exception as error:
        _tell(events, [{"failed": f"{type(error).__name__}: {error}"}])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
