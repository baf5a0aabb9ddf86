"""A bag without hpckit: each engine as a plain user would use it, one task per call."""

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
from hpckit.bench.measure.loopback import received
from hpckit.bench.measure.memory import Memory, roles_of_script
from hpckit.bench.measure.parameters import PORTS
from hpckit.bench.measure.sample import Case, Losses, Ran
from hpckit.bench.measure.workload import Load, digest, laid_out
from hpckit.engines.registry import VARIABLES
from hpckit.errors import EngineError

_LONGEST_S: Final = 900.0
_END_S: Final = 8.0  # that a script has to end what it has started
_ALONE: Final = ("unshare", "--map-root-user", "--net", "--")
_CUT_OFF: Final = (*VARIABLES, "SLURM_", "HPCKIT_HEAD", "PARALLEL")


@dataclass(frozen=True)
class Plain:
    """One way to do without hpckit.

    Attributes:
        case: its name in the results.
        engine: likewise.
        script: in `hpckit.bench.baselines`.
        here: whether it can be run on this machine.
        get: how to get it; "" where hpckit itself knows whether it has it.
        alone: whether it listens without a secret, and so gets a network of its own.
        note: what a reader of its figures should know.
    """

    case: str
    engine: str
    script: str
    here: Callable[[], bool] = lambda: True
    get: str = ""
    alone: bool = False
    note: str = ""


def _has_parallel() -> bool:
    return shutil.which("parallel") is not None


def _has_hyperqueue() -> bool:
    """Whether its package is here, and a user of this machine may make a network namespace."""
    if importlib.util.find_spec("hyperqueue") is None or shutil.which("unshare") is None:
        return False
    return not subprocess.run([*_ALONE, "true"], capture_output=True, check=False).returncode


PLAINS: Final = (
    Plain("plain-workqueue", "workqueue", "workqueue.py"),
    Plain("plain-ray", "ray", "on_ray.py"),
    Plain(
        "parallel", "parallel", "parallel.py", _has_parallel, "GNU parallel: apt install parallel"
    ),
    Plain(
        "hyperqueue", "hyperqueue", "on_hyperqueue.py", _has_hyperqueue,
        f"HyperQueue, where users may make network namespaces: {how_to_install('bench')}",
        alone=True,
        note="HyperQueue's Python package asks once a second whether the job is over: up to a "
        "second of its makespan is that",
    ),
)  # fmt: skip


def available(backends: Sequence[str]) -> tuple[list[Plain], list[str]]:
    """Return the ways that go here, and how to get the others that nobody left out on purpose."""
    found, missing = [], []
    for way in PLAINS:
        if not way.get:
            if way.engine in backends:
                found.append(way)
        elif way.here():
            found.append(way)
        else:
            missing.append(way.get)
    return found, missing


def run(way: Plain, case: Case, load: Load, directory: Path, port: int) -> Ran:
    """Run the bag to its end, and return what was measured.

    Raises:
        EngineError: the script failed.
    """
    laid_out(directory)
    argv, env = _command(way, case, load, directory, port)
    before, began = received(), time.time()
    with (
        Memory(roles_of_script(argv[-1]), nested=True) as memory,
        _started(argv, env, directory, memory) as process,
    ):
        out = _said(way, process)
    said = _answer(way, process.returncode, out, directory)
    ran = Ran(
        began=began,
        first_start=said["first_start"],
        last_end=said["last_end"],
        known=said["known"],
        done=said["done"],
        mean_task_s=said.get("mean_task_s"),
        digest=digest(load, directory),
        head_mib=memory.head_mib,
        worker_mib=memory.worker_mib,
        moved=None if way.alone else received() - before,
        losses=Losses(tasks_lost=load.tasks - said["done"]),
    )
    shutil.rmtree(directory, ignore_errors=True)
    return ran


def _said(way: Plain, process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=_LONGEST_S)[0]
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"{way.case} is not over after {_LONGEST_S:.0f} s", hint="Give fewer --tasks."
        ) from error


def _answer(way: Plain, code: int, out: str, directory: Path) -> Mapping[str, Any]:
    with contextlib.suppress(ValueError, IndexError):
        if code == 0:
            found: dict[str, Any] = json.loads(out.splitlines()[-1])
            return found
    errors = (directory / "stderr").read_text(errors="replace").strip()
    raise EngineError(f"{way.case} ended with exit code {code}: {errors[-2000:] or out[-500:]}")


def _command(
    way: Plain, case: Case, load: Load, directory: Path, port: int
) -> tuple[list[str], dict[str, str]]:
    """Return the script's command line, the configuration last, and its environment."""
    config: dict[str, Any] = {
        "commands": load.commands(directory), "slots": case.workers * case.cpus,
        "directory": str(directory),
    }  # fmt: skip
    env = {name: value for name, value in os.environ.items() if not name.startswith(_CUT_OFF)}
    env |= {"TMPDIR": str(directory)}
    python = [sys.executable]
    if way.engine == "workqueue":
        from hpckit.engines.workqueue.binding import find_binding

        binding = find_binding(os.environ)
        python = list(binding.argv[:-1])
        env |= dict(binding.env)
        first = port or random.randrange(20000, 60000 - PORTS)
        config |= {"module": binding.module, "port": [first, first + PORTS - 1]}
        config |= {"password_file": str(_secret(directory / "password"))}
    elif way.engine == "ray":
        env |= {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
        env |= {"RAY_AUTH_TOKEN_PATH": str(_secret(directory / "token"))}
        env |= {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    path = directory / "config.json"
    path.write_text(json.dumps(config))
    if way.alone:
        python = [*_ALONE, *python]
    return [*python, str(Path(baselines.__file__).parent / way.script), str(path)], env


def _secret(path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    return path


@contextmanager
def _started(
    argv: list[str], env: dict[str, str], directory: Path, memory: Memory
) -> Iterator[subprocess.Popen[str]]:
    """Start a script; nothing that it has started is left when the block is."""
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
                process.wait(_END_S)
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
