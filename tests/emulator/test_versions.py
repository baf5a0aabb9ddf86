"""A daemon that runs on while the code changes: commands report it, with the remedy."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hpckit.emulator import control, launch, paths, protocol
from hpckit.emulator.core.model import Request, StepRequest
from hpckit.emulator.daemon import handlers, views
from hpckit.errors import SchedulerError

from .conftest import EmulatedCluster, end_all, until
from .harness import SimulatedCluster

PINNED = {2: "fa5b206b9677"}


def _shape(thing: Any) -> Any:
    """Return the keys of a reply, at every level: its readers rely on them."""
    if isinstance(thing, dict):
        return {str(key): _shape(value) for key, value in sorted(thing.items())}
    return [_shape(thing[0])] if isinstance(thing, list) and thing else type(thing).__name__


def test_a_change_of_requests_or_replies_raises_the_version() -> None:
    simulated = SimulatedCluster()
    job = simulated.submit()
    said = {
        "requests": sorted(handlers.HANDLERS),
        "step": [f.name for f in dataclasses.fields(StepRequest)],
        "request": [f.name for f in dataclasses.fields(Request)],
        "job": _shape(views.job(simulated.machine, job, simulated.now)),
        "cluster": _shape(views.cluster(simulated.machine, simulated.now, simulated.now, "/x")),
        "status": sorted(views.status(simulated.machine)),
    }
    found = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
    assert PINNED.get(protocol.VERSION) == found, (
        f"requests or replies have changed: raise protocol.VERSION, and pin {found!r} for it here"
    )


@contextlib.contextmanager
def _older_daemon(own_slurm: EmulatedCluster, tmp_path: Path) -> Iterator[None]:
    """Run the cluster's daemon from code with an older version of the protocol."""
    package = Path(control.__file__).parent.parent
    copy = tmp_path / "older" / "hpckit"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package / "emulator", copy / "emulator", ignore=ignored)
    for name in ("__init__.py", "errors.py"):
        shutil.copy(package / name, copy / name)
    source = copy / "emulator" / "protocol.py"
    text = source.read_text()
    source.write_text(
        text.replace(f"VERSION = {protocol.VERSION} ", f"VERSION = {protocol.VERSION - 1} ")
    )
    assert source.read_text() != text
    state_dir = own_slurm.cluster.state_dir
    os.kill(int((state_dir / "lock").read_text()), signal.SIGKILL)
    until(lambda: "" if launch.locked(str(state_dir)) else "free")
    words = [sys.executable, "-S", "-E", "-s", str(copy / "emulator" / "boot.py"), "slurmctld"]
    daemon = subprocess.Popen([*words, str(state_dir)], start_new_session=True)
    try:
        until(lambda: "up" if launch.answers(str(state_dir)) else "")
        assert int((state_dir / "lock").read_text()) == daemon.pid
        yield
    finally:
        end_all("own")
        daemon.wait(20)


def test_a_daemon_of_another_version_is_named_with_the_remedy(
    own_slurm: EmulatedCluster, tmp_path: Path
) -> None:
    what = f"uses version {protocol.VERSION - 1} of the protocol, not {protocol.VERSION}"
    remedy = "hpckit emulate down --cluster own"
    commands = (
        ["squeue"], ["sinfo"], ["sbatch", "--wrap=true"], ["srun", "true"],
        ["srun", "--jobid=1", "true"], ["scancel", "1"], ["scontrol", "show", "node"],
    )  # fmt: skip
    with _older_daemon(own_slurm, tmp_path):
        for command in commands:
            done = own_slurm.run(*command)
            assert done.returncode != 0, command
            assert what in done.stderr, done
            assert remedy in done.stderr
            assert "Traceback" not in done.stderr
        with pytest.raises(SchedulerError, match=what) as caught:
            control.status("own")
        assert remedy in caught.value.hint
        control.down("own")
        assert control.find("own") is None


def test_a_command_of_an_older_version_gets_the_same_message(slurm: EmulatedCluster) -> None:
    with protocol.connect(paths.socket_path(str(slurm.cluster.state_dir))) as sock:
        body = b'{"op":"jobs"}'
        sock.sendall(len(body).to_bytes(4, "big") + body)
        reply = protocol.receive(sock, protocol.Inbox())
    assert reply["error"] == "version"
    assert reply["text"] == f"this daemon uses version {protocol.VERSION} of the protocol, not 1"
