"""One run of a bag without hpckit: an engine as a user would use it, one task per call."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from hpckit.assets import how_to_install
from hpckit.bench import baselines
from hpckit.bench.measure.loopback import bytes_received
from hpckit.bench.measure.memory import MemoryWatcher, roles_of_script
from hpckit.bench.measure.parameters import PORTS
from hpckit.bench.measure.sample import Case, Losses, RunResult
from hpckit.bench.measure.workload import Workload, digest_outputs, make_directories
from hpckit.engines.registry import VARIABLES
from hpckit.errors import EngineError

_MAX_RUN_S: Final = 900.0
_TERMINATE_S: Final = 8.0  # so long a script may take to end what it has started
_OWN_NETWORK: Final = ("unshare", "--map-root-user", "--net", "--")
_REMOVED_VARIABLES: Final = (*VARIABLES, "SLURM_", "HPCKIT_HEAD", "PARALLEL")


@dataclass(frozen=True)
class Baseline:
    """One way to run a bag without hpckit.

    Attributes:
        case, engine: its names in the results.
        script: in `hpckit.bench.baselines`.
        is_available: returns True if it can be run on this machine.
        install_hint: how to install it; "" for the engines of hpckit itself.
        needs_own_network: True if it listens without a secret.
        note: for readers of its figures.
    """

    case: str
    engine: str
    script: str
    is_available: Callable[[], bool] = lambda: True
    install_hint: str = ""
    needs_own_network: bool = False
    note: str = ""


def _has_parallel() -> bool:
    return shutil.which("parallel") is not None


def _has_hyperqueue() -> bool:
    """Return True if its package is installed, and users may make network namespaces here."""
    if importlib.util.find_spec("hyperqueue") is None or shutil.which("unshare") is None:
        return False
    return not subprocess.run([*_OWN_NETWORK, "true"], capture_output=True, check=False).returncode


BASELINES: Final = (
    Baseline("plain-workqueue", "workqueue", "workqueue.py"),
    Baseline("plain-ray", "ray", "on_ray.py"),
    Baseline(
        "parallel", "parallel", "parallel.py", _has_parallel, "GNU parallel: apt install parallel"
    ),
    Baseline(
        "hyperqueue", "hyperqueue", "on_hyperqueue.py", _has_hyperqueue,
        f"HyperQueue, where users may make network namespaces: {how_to_install('bench')}",
        needs_own_network=True,
        note="HyperQueue's Python package asks once a second whether the job is over: up to a "
        "second of its makespan is that",
    ),
)  # fmt: skip


def available(backends: Sequence[str]) -> tuple[list[Baseline], list[str]]:
    """Return the baselines for this machine, and how to install the missing ones.

    Those of engines that are not measured are left out."""
    found, missing = [], []
    for baseline in BASELINES:
        if not baseline.install_hint:
            if baseline.engine in backends:
                found.append(baseline)
        elif baseline.is_available():
            found.append(baseline)
        else:
            missing.append(baseline.install_hint)
    return found, missing


def run(
    baseline: Baseline, case: Case, workload: Workload, directory: Path, port: int
) -> RunResult:
    """Run the bag to its end, and return what was measured.

    Raises:
        EngineError: the script failed.
    """
    make_directories(directory)
    argv, env = _command(baseline, case, workload, directory, port)
    before, started_at = bytes_received(), time.time()
    with (
        MemoryWatcher(roles_of_script(argv[-1]), workers_in_head=True) as memory,
        _running_script(argv, env, directory, memory) as process,
    ):
        out = _read_output(baseline, process)
    answer = _parse_output(baseline, process.returncode, out, directory)
    result = RunResult(
        started_at=started_at,
        first_task_at=answer["first_start"],
        last_task_end_at=answer["last_end"],
        results_known_at=answer["known"],
        done=answer["done"],
        mean_task_s=answer.get("mean_task_s"),
        digest=digest_outputs(workload, directory),
        head_mib=memory.head_mib,
        worker_mib=memory.worker_mib,
        bytes_moved=None if baseline.needs_own_network else bytes_received() - before,
        losses=Losses(tasks_lost=workload.tasks - answer["done"]),
    )
    shutil.rmtree(directory, ignore_errors=True)
    return result


def _read_output(baseline: Baseline, process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=_MAX_RUN_S)[0]
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"{baseline.case} has not ended after {_MAX_RUN_S:.0f} s", hint="Give fewer --tasks."
        ) from error


def _parse_output(baseline: Baseline, code: int, out: str, directory: Path) -> Mapping[str, Any]:
    with contextlib.suppress(ValueError, IndexError):
        if code == 0:
            found: dict[str, Any] = json.loads(out.splitlines()[-1])
            return found
    errors = (directory / "stderr").read_text(errors="replace").strip()
    raise EngineError(
        f"{baseline.case} ended with exit code {code}: {errors[-2000:] or out[-500:]}"
    )


def _command(
    baseline: Baseline, case: Case, workload: Workload, directory: Path, port: int
) -> tuple[list[str], dict[str, str]]:
    """Return the command line of the script, with its configuration last, and its environment."""
    config: dict[str, Any] = {
        "commands": workload.commands(directory), "slots": case.workers * case.cpus,
        "directory": str(directory),
    }  # fmt: skip
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(_REMOVED_VARIABLES)
    }
    env |= {"TMPDIR": str(directory)}
    python = [sys.executable]
    if baseline.engine == "workqueue":
        from hpckit.engines.workqueue.binding import find_binding

        binding = find_binding(os.environ)
        python = list(binding.argv[:-1])
        env |= dict(binding.env)
        first = port or random.randrange(20000, 60000 - PORTS)
        config |= {"module": binding.module, "port": [first, first + PORTS - 1]}
        config |= {"password_file": str(_write_secret(directory / "password"))}
    elif baseline.engine == "ray":
        env |= {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
        env |= {"RAY_AUTH_TOKEN_PATH": str(_write_secret(directory / "token"))}
        env |= {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    path = directory / "config.json"
    path.write_text(json.dumps(config))
    if baseline.needs_own_network:
        python = [*_OWN_NETWORK, *python]
    return [*python, str(Path(baselines.__file__).parent / baseline.script), str(path)], env


def _write_secret(path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    return path


@contextmanager
def _running_script(
    argv: list[str], env: dict[str, str], directory: Path, memory: MemoryWatcher
) -> Iterator[subprocess.Popen[str]]:
    """Start a script; at the end of the block, kill whatever it has started and left."""
    with (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            argv, env=env, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=stderr, text=True, start_new_session=True,
        )  # fmt: skip
    own = psutil.Process(process.pid)
    try:
        yield process
    finally:
        left = {*memory.seen, *_children(own)} - {own}
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TERMINATE_S)
        psutil.wait_procs(left, timeout=2.0)
        for other in [*left, own]:
            with contextlib.suppress(psutil.Error):
                other.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
