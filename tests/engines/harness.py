"""A small head for the engines' tests: a worker server, an address, an engine and some workers.

Everything is real but the head's own loop. Whatever was started is ended by PID, also when
a test fails.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpckit.common.processes import children_of, descendants_of, send, wait_until_gone
from hpckit.engines.base import Engine, Lost, Returned
from hpckit.engines.registry import ENGINES
from hpckit.model.plan import Plan, Size
from hpckit.model.retries import Retries
from hpckit.model.task import Task, TaskSettings
from hpckit.protocol import authentication, messages
from hpckit.protocol.authentication import KEY_FILE
from hpckit.protocol.bundle import Bundle
from hpckit.run.address import Address, publish_address
from hpckit.run.jobs import SubmittedJob, record_job
from hpckit.run.rundir import RunDir

PYTHON = sys.executable


def make_plan(root: Path, backend: str, **changes: Any) -> Plan:
    """Return a plan for one or two small workers on this machine."""
    size = Size(cores=2, memory_mib=2000, walltime_s=3600)
    values: dict[str, Any] = {
        "run": "test-run", "run_dir": str(root), "bag": "bag", "backend": backend,
        "shape": "allocation", "site": "local", "scheduler": "emulated", "slurm_bin": "",
        "python": PYTHON, "tasks": 1, "head": size, "worker": size, "workers": 1,
        "task_settings": TaskSettings(run="test-run", cwd=str(root)), "retries": Retries(),
        "warning_s": 60, "setup": (), "jobs": (),
    }  # fmt: skip
    return Plan(**{**values, **changes})


def make_run_dir(root: Path, plan: Plan) -> RunDir:
    """Lay out a run directory as submit does."""
    run_dir = RunDir(root)
    for path in (run_dir.secrets, run_dir.journal, run_dir.spool, run_dir.logs):
        path.mkdir(parents=True, mode=0o700)
    run_dir.plan.write_text(plan.to_json())
    for name in (KEY_FILE, *(f.secret for f in ENGINES.values() if f.secret)):
        run_dir.secret(name).write_text(os.urandom(32).hex())
        run_dir.secret(name).chmod(0o600)
    record_job(run_dir, SubmittedJob(job_id="100", role="head", submitted_at=time.time()))
    return run_dir


class TestWorkerServer:
    """The head's worker server, in a thread."""

    __test__ = False

    def __init__(self, run_dir: RunDir, nonce: str) -> None:
        self.key = authentication.read_key(run_dir.secret(authentication.KEY_FILE))
        self.nonce = nonce
        self.said: list[dict[str, Any]] = []  # all that workers said, in order
        self.changed = threading.Condition()
        self._server = socket.create_server(("0.0.0.0", 0))
        self.port = self._server.getsockname()[1]
        self._streams: list[socket.socket] = []
        self._closing = False
        self.answers_beats = True
        self.welcome: dict[str, Any] = {"welcome": 1}
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def tell(self, message: dict[str, Any]) -> None:
        """Say something to every worker."""
        for stream in list(self._streams):
            try:
                stream.sendall(messages.encode(message))
            except OSError:
                continue

    def wait_for(self, what: str, count: int = 1, limit_s: float = 40) -> list[dict[str, Any]]:
        """Wait until workers have said `what` so often."""
        with self.changed:
            found = lambda: [m for m in self.said if what in m]  # noqa: E731
            assert self.changed.wait_for(lambda: len(found()) >= count, limit_s), (
                f"no {count} x {what!r} within {limit_s} s; said: {self.said}"
            )
            return found()

    def close(self) -> None:
        """Close all connections, as a head that dies does."""
        self._closing = True
        self._server.shutdown(socket.SHUT_RDWR)
        for stream in self._streams:
            stream.close() if stream.fileno() < 0 else stream.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._server.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                stream, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(stream,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, stream: socket.socket) -> None:
        with stream, stream.makefile("rb") as lines:
            try:
                hello = messages.decode(lines.readline())
                proof = authentication.head_proof(self.key, hello["challenge"], self.nonce)
                stream.sendall(messages.encode({"run": "test-run", "nonce": self.nonce,
                                            "proof": proof, "challenge": "c2"}))  # fmt: skip
                answer = messages.decode(lines.readline())
                assert authentication.proves(
                    answer["proof"], authentication.worker_proof(self.key, "c2")
                )
                stream.sendall(messages.encode(self.welcome))
                self._streams.append(stream)
                self._note({"joined": answer["worker"]})
                for line in lines:
                    message = messages.decode(line)
                    if "beat" in message:
                        if self.answers_beats:
                            stream.sendall(messages.encode({"beat": time.time()}))
                    else:
                        self._note(message)
            except (OSError, ValueError):
                pass
        self._note({"gone": True})

    def _note(self, message: dict[str, Any]) -> None:
        with self.changed:
            self.said.append(message)
            self.changed.notify_all()


class Head:
    """A running head, as a test sees it."""

    def __init__(self, run_dir: RunDir, plan: Plan, engine: Engine) -> None:
        self.run_dir = run_dir
        self.plan = plan
        self.engine = engine
        self.events: list[Returned | Lost] = []
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._bundles = 0
        self.incarnation = 0

    def begin(self) -> None:
        """Start the engine and the worker server, publish the address."""
        self.incarnation += 1
        self.run_dir.journal_file(self.incarnation).touch()
        parts = self.engine.start()
        nonce = os.urandom(8).hex()
        self.worker_server = TestWorkerServer(self.run_dir, nonce)
        address = Address(
            run="test-run", backend=self.plan.backend, incarnation=self.incarnation, nonce=nonce,
            job_id="100", node="head", pid=os.getpid(), hosts=("127.0.0.1",),
            worker_port=self.worker_server.port, engine=parts,
        )  # fmt: skip
        publish_address(self.run_dir, address)

    def add_worker(
        self, node: str, *, silence_s: float = messages.GONE_AFTER_S, **env: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker agent as a job's step would; `node` may be an address.

        `silence_s` is how long the head may be silent.
        """
        code = (
            "import sys; from hpckit.worker import head_session, main; "
            f"head_session.GONE_AFTER_S = {silence_s}; sys.exit(main.main())"
        )
        job = str(200 + len(self.workers))
        task_settings = {**os.environ, "SLURM_JOB_ID": job, "SLURMD_NODENAME": node, **env}
        with (self.run_dir.logs / f"worker-{job}.out").open("wb") as log:
            process = subprocess.Popen(
                [PYTHON, "-c", code, str(self.run_dir.root), "--patience-s=60"],
                env=task_settings, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.workers[f"{job}-{node}"] = process
        return process

    def submit(self, *tasks: Task, expected_s: float = 0, **settings: Any) -> str:
        """Submit one bundle of these tasks; return its id."""
        self._bundles += 1
        values = {"run": "test-run", "cwd": str(self.run_dir.root), **settings}
        bundle = Bundle(
            id=f"{self.incarnation}-{self._bundles}", task_settings=TaskSettings(**values),
            tasks=tasks, attempts=(1,) * len(tasks), expected_s=expected_s,
        )  # fmt: skip
        self.engine.submit(bundle)
        return bundle.id

    def collect(self, count: int, limit_s: float = 60) -> list[Returned | Lost]:
        """Poll the engine until it has returned so many bundles in all."""
        self.poll_until(lambda: len(self.events) >= count, f"{count} bundles", limit_s)
        return self.events

    def poll_until(self, done: Callable[[], object], what: str, limit_s: float = 60) -> None:
        """Poll the engine until `done`."""
        deadline = time.monotonic() + limit_s
        while not done():
            assert time.monotonic() < deadline, (
                f"not within {limit_s} s: {what}; events {self.events}\n{self.logs()}"
            )
            self.events += self.engine.poll(0.1)

    def spooled(self, worker: str) -> list[dict[str, Any]]:
        """Return the spool of a worker."""
        path = self.run_dir.spool_file(worker)
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def logs(self) -> str:
        """Return everything that was logged, for a failed test's message."""
        return "\n".join(
            f"== {p.name}\n{p.read_text(errors='replace')[-3000:]}"
            for p in sorted(self.run_dir.logs.glob("*"))
        )


def command(index: int, *argv: str, outputs: tuple[str, ...] = ()) -> Task:
    """Return a task that runs a command."""
    return Task(index=index, key=f"k{index}", argv=argv, outputs=outputs)


@contextmanager
def a_head(
    root: Path, backend: str, make: Callable[[RunDir, Plan, str], Engine], **changes: Any
) -> Iterator[Head]:
    """Lay out a run, start its engine and worker server, and end everything afterwards."""
    plan = make_plan(root, backend, **changes)
    head = Head(make_run_dir(root, plan), plan, make(RunDir(root), plan, "127.0.1.1"))
    before = set(children_of(os.getpid()))
    try:
        head.begin()
        yield head
    finally:
        family = [p for w in head.workers.values() for p in (w.pid, *descendants_of(w.pid))]
        if hasattr(head, "worker_server"):
            head.worker_server.tell({"stop": "the test is over"})
        for worker in head.workers.values():
            try:
                worker.wait(8)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        head.engine.stop()
        if hasattr(head, "worker_server"):
            head.worker_server.close()
        ours = set(children_of(os.getpid())) - before
        left = wait_until_gone(
            [*family, *ours], 2, has_ended=lambda pid: not Path(f"/proc/{pid}").exists()
        )
        send(left, signal.SIGKILL)


def wait_readable(stream: socket.socket, limit_s: float) -> bool:
    """Wait until a socket has something to read."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(limit_s))
