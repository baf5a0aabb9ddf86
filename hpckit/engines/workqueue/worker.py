"""Start Work Queue's worker on a node.

The program: https://cctools.readthedocs.io/en/latest/man_pages/work_queue_worker/ .
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hpckit.engines.base import Launch, WorkerStart
from hpckit.engines.workqueue import INSTALL, PASSWORD_FILE, PREFIX_VARIABLE
from hpckit.errors import EngineError
from hpckit.protocol import runner_client
from hpckit.run.rundir import RunDir

#: Longer than any job: hpckit itself says when to leave.
_NEVER_S: Final = 10 * 365 * 86400
#: Declared, not measured: bundles and results are small, and no task asks for disk.
_DISK_MB: Final = 10_000
_CONNECT_S: Final = 30


def find_worker(env: Mapping[str, str]) -> str:
    """Return the path of ``work_queue_worker``: under the prefix, else on PATH.

    Raises:
        EngineError: it is not there.
    """
    prefix = env.get(PREFIX_VARIABLE, "")
    if prefix:
        program = Path(prefix, "bin", "work_queue_worker")
        if os.access(program, os.X_OK):
            return str(program)
        raise EngineError(f"no program {program} ({PREFIX_VARIABLE} is {prefix})", hint=INSTALL)
    found = shutil.which("work_queue_worker", path=env.get("PATH"))
    if not found:
        raise EngineError("work_queue_worker is not on this node's PATH", hint=INSTALL)
    return found


def launch(start: WorkerStart) -> Launch:
    """Return how to start the worker that joins the manager at the head's ``engine["port"]``.

    Raises:
        EngineError: the program is not there.
    """
    worker, run_dir = start.worker, RunDir(Path(start.plan.run_dir))
    argv = [find_worker(os.environ)]
    argv += [f"--cores={worker.cores}", f"--gpus={worker.gpus}", f"--disk={_DISK_MB}"]
    if worker.memory_mib:
        argv.append(f"--memory={worker.memory_mib}")
    argv += [
        "--parent-death",
        "--single-shot",
        f"--idle-timeout={_NEVER_S}",
        f"--connect-timeout={_CONNECT_S}",
    ]
    argv += ["-s", str(start.scratch.make("wq")), "-P", str(run_dir.secret(PASSWORD_FILE))]
    argv += [start.host, str(start.engine["port"])]
    env = {
        "HPCKIT_RUNNER": str(start.runner),
        "HPCKIT_PYTHON": sys.executable,
        "HPCKIT_CLIENT": str(Path(runner_client.__file__).resolve()),
    }
    return Launch(argv, env)
