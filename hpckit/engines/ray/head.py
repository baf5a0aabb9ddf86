"""Ray on the head's side: a head node without CPUs, and the driver in this process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hpckit.assets import how_to_install
from hpckit.common.processes import (
    ENGINE_MARK,
    descendants_of,
    find_by_variable,
    kill_all,
    stop_child,
    wait_until_gone,
)
from hpckit.common.scratch_dir import ScratchDir
from hpckit.engines.base import LONGEST_START_S, Lost, Returned, read_result
from hpckit.engines.ray import start_options
from hpckit.errors import EngineError
from hpckit.model.plan import Plan
from hpckit.protocol.bundle import Bundle
from hpckit.run.rundir import RunDir

_STOP_S: Final = 5.0
_LOOK_S: Final = 1.0
_OLDEST: Final = (2, 59)  # token authentication
_HEAD_MEMORY_BYTES: Final = 2**30
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)


class RayEngine:
    """Bundles through Ray.

    Args:
        run_dir: the run's files.
        plan: the run's plan.
        host: this node's address, at which workers reach it.
    """

    def __init__(self, run_dir: RunDir, plan: Plan, host: str) -> None:
        self._run_dir = run_dir
        self._plan = plan
        self._host = host
        self._log = run_dir.log_file("ray-head")
        self._mark = f"head of {run_dir.root}"
        self._process: subprocess.Popen[bytes] | None = None
        self._node: ScratchDir | None = None
        self._ray: Any = None
        self._remote: Any = None
        self._bundles: dict[Any, str] = {}  # by object reference
        self._references: dict[str, Any] = {}
        self._looked_at = 0.0
        self._environment_before: dict[str, str | None] = {}

    def start(self) -> dict[str, Any]:
        """Start the head node and connect; return its address.

        Raises:
            EngineError: Ray is not installed, too old, or does not start.
        """
        deadline = time.monotonic() + LONGEST_START_S
        self._end_marked()  # of a loop of this run that died here
        self._node = ScratchDir(self._plan.node_tmp)
        try:
            # Ray reads its variables when it is loaded, and remembers the token for good.
            self._set_environment(start_options.environment(self._run_dir))
            ray = _import_ray()
            self._start_head(self._node.make("ray"))
            address = self._published(self._node.path / "ray" / "ray_current_cluster", deadline)
            self._connect(ray, address, deadline)
        except BaseException:
            self.stop()
            raise
        return {"gcs": address}

    def submit(self, bundle: Bundle) -> None:
        """Queue a bundle.

        Raises:
            EngineError: Ray has ended.
        """
        settings = bundle.task_settings
        wants: dict[str, Any] = {"num_cpus": settings.cores, "name": bundle.id}
        if settings.gpus:
            wants["num_gpus"] = settings.gpus
        if settings.memory_mib:
            wants["memory"] = settings.memory_mib * 2**20
        try:
            reference = self._remote.options(**wants).remote(bundle.to_json())
        except self._ray.exceptions.RayError as error:
            raise EngineError(f"Ray takes no more bundles: {_words(error)}") from error
        self._bundles[reference] = bundle.id
        self._references[bundle.id] = reference

    def cancel(self, bundle: str) -> None:
        """Take a bundle back; its Ray worker is ended, and with it the bundle."""
        reference = self._references.pop(bundle, None)
        if reference is not None:
            self._bundles.pop(reference, None)
            with contextlib.suppress(Exception):  # it may have ended just now
                self._ray.cancel(reference, force=True)

    def poll(self, timeout_s: float) -> list[Returned | Lost]:
        """Return what has come back.

        Raises:
            EngineError: Ray's head node has ended.
        """
        self._look_at_head()
        waiting = list(self._bundles)
        if not waiting:
            time.sleep(timeout_s)
            return []
        try:
            ready, _ = self._ray.wait(waiting, num_returns=1, timeout=timeout_s)
            if ready:
                ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        except self._ray.exceptions.RayError as error:
            raise EngineError(f"Ray has ended: {_words(error)}") from error
        return [self._event(reference) for reference in ready]

    def stop(self) -> None:
        """Disconnect, and end Ray's processes on this node by their PIDs; idempotent."""
        family = descendants_of(self._process.pid) if self._process else []
        if self._ray is not None and self._process and self._process.poll() is None:
            with contextlib.suppress(Exception), _own_signal_handlers():
                self._ray.shutdown()
        self._ray = None
        process, self._process = self._process, None
        if process:
            stop_child(process, family, leave_s=_STOP_S, rest_s=1.0)
            self._end_marked()
        self._bundles.clear()
        self._references.clear()
        self._restore_environment()
        if self._node:
            self._node.remove()
            self._node = None

    def _start_head(self, directory: Path) -> None:
        start_options.check_temporary(directory)
        ports = self._plan.port_range
        argv = [*start_options.command(), "start", "--head"]
        argv += start_options.common_arguments(directory, self._host)
        argv += ["--num-cpus=0", "--num-gpus=0", f"--memory={_HEAD_MEMORY_BYTES}"]
        argv += ["--include-dashboard=False", "--no-monitor"]  # no autoscaler either
        argv += start_options.port_arguments(ports, gcs=True)
        env = {**os.environ, **start_options.environment(self._run_dir), ENGINE_MARK: self._mark}
        self._run_dir.logs.mkdir(exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
            )

    def _published(self, path: Path, deadline: float) -> str:
        while True:
            with contextlib.suppress(OSError):
                if address := path.read_text().strip():
                    return address
            self._look_at_head()
            if time.monotonic() > deadline:
                raise EngineError(
                    f"Ray's head did not start within {LONGEST_START_S:.0f} s",
                    hint=f"Its log is {self._log}.",
                )
            time.sleep(0.05)

    def _connect(self, ray: Any, address: str, deadline: float) -> None:
        from hpckit.engines.ray.task import run_bundle

        while True:
            try:
                # Its workers would import from the directory of this process: the user's.
                with _own_signal_handlers(), contextlib.chdir(self._run_dir.root):
                    ray.init(
                        address=address,
                        _node_ip_address=self._host,
                        log_to_driver=False,
                        configure_logging=False,
                    )
                break
            except (ConnectionError, RuntimeError, ValueError) as error:
                self._look_at_head()
                if time.monotonic() > deadline:
                    raise EngineError(f"cannot connect to Ray at {address}: {error}") from error
                time.sleep(0.2)
        self._ray = ray
        self._remote = ray.remote(max_retries=0, retry_exceptions=False)(run_bundle)

    def _event(self, reference: Any) -> Returned | Lost:
        bundle = self._bundles.pop(reference)
        self._references.pop(bundle, None)
        try:
            text = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return Lost(bundle, _words(error))
        return read_result(bundle, text)

    def _look_at_head(self) -> None:
        now = time.monotonic()
        if self._process is None or now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        code = self._process.poll()
        if code is not None:
            raise EngineError(
                f"Ray's head node has ended (exit code {code})",
                hint=f"Its log is {self._log}.",
            )

    def _end_marked(self) -> None:
        kill_all(
            lambda: [
                p for p in find_by_variable(ENGINE_MARK, self._mark) if wait_until_gone([p], 0)
            ]
        )

    def _set_environment(self, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            self._environment_before.setdefault(name, os.environ.get(name))
            os.environ[name] = value

    def _restore_environment(self) -> None:
        for name, value in self._environment_before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._environment_before.clear()


def _import_ray() -> Any:
    start_options.command()  # says what to install
    import ray

    version = tuple(int(part) for part in ray.__version__.split(".")[:2])
    if version < _OLDEST:
        raise EngineError(
            f"Ray {ray.__version__} has no token authentication",
            hint=f"Install Ray 2.59 or newer: {how_to_install('ray')}.",
        )
    return ray


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Keep this process's signal handlers; ray.init sets its own."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(ValueError, TypeError):  # not the main thread; not Python's
                signal.signal(number, handler)


def _words(error: Exception) -> str:
    """Return what went wrong in one short line: Ray's own texts are pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if type(error).__name__.startswith("RayTaskError") else (lines or [""])[0]
    return f"{type(error).__name__}: {text}"[:300]
