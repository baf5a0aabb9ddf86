"""The daemon as a process: one per cluster, detached from the terminal, logged, locked."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import sys
import traceback
from pathlib import Path

from hpckit.emulator.config import ClusterConfig
from hpckit.emulator.daemon import handlers, namespace
from hpckit.emulator.daemon.server import Server


def serve(state_dir: str) -> None:
    """Run the daemon of one cluster; return at once if another one is already running.

    The daemon is up once its socket accepts connections.
    """
    directory = Path(state_dir)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    _detach(directory)
    about = json.loads((directory / "config.json").read_text())
    server = None
    try:
        namespace.become_subreaper("slurmctld")
        block = about["address_block"]
        config = ClusterConfig.from_json(about["config"])
        server = Server(directory, config, address_block=(block[0], block[1]), serve=handlers.serve)
        server.listen()
        gc.collect()
        gc.freeze()  # step daemons are forked from here: keep their pages shared
        server.run()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        with contextlib.suppress(Exception):
            if server is not None and server.stopping:
                if directory.exists():
                    (directory / "down").touch()
                server.close()
        with contextlib.suppress(FileNotFoundError):
            if server is not None and server.stopping:
                (directory / "slurmctld.sock").unlink()
        os.close(lock)


def _detach(directory: Path) -> None:
    """Leave the caller's terminal, directory and streams; errors go to the log."""
    os.setsid() if os.getpid() != os.getsid(0) else None
    os.chdir("/")
    os.umask(0o077)
    log = os.open(directory / "slurmctld.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for number in (log, null):
        if number > 2:
            os.close(number)
    sys.stdout.flush()
