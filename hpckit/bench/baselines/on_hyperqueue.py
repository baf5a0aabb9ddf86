"""Run commands with HyperQueue: a server and one worker in this process, a task per command.

Its Python package contains both (https://pypi.org/project/hyperqueue). Both listen on every
interface and without a key, so that others could reach them. Therefore this script must be started
in a network namespace of its own, ``unshare --net``, and refuses to run elsewhere.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import sys
import time
from pathlib import Path

import hyperqueue
import psutil
from hyperqueue.cluster import WorkerConfig

#: HyperQueue's Python package reports no times: the first tasks write down when they start.
RECORD_START = 'date +%s.%N > "$0"; exec "$@"'
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1  # netdevice(7)


def main() -> None:
    """Run the commands of the file that is the argument."""
    require_own_network()
    config = json.loads(Path(sys.argv[1]).read_text())
    directory, slots = Path(config["directory"]), config["slots"]
    job = hyperqueue.Job(max_fails=None)
    for number, command in enumerate(config["commands"]):
        recorded = ["sh", "-c", RECORD_START, str(directory / f"begun.{number}")]
        job.program([*recorded, *command] if number < slots else command, stdout=None, stderr=None)
    with contextlib.redirect_stdout(sys.stderr):  # it prints tables and progress bars
        known, failed = run(job, directory / "hq", slots)
    done = {
        "first_start": min(float(path.read_text()) for path in directory.glob("begun.*")),
        "last_end": max(path.stat().st_mtime for path in (directory / "out").iterdir()),
        "known": known,
        "done": len(config["commands"]) - failed,
    }
    sys.stdout.write(json.dumps(done) + "\n")


def require_own_network() -> None:
    """Bring up the loopback interface; exit if the namespace has another one that is up."""
    others = [name for name, of in psutil.net_if_stats().items() if of.isup and name != "lo"]
    if others:
        sys.exit(f"needs a network namespace of its own; found interfaces: {', '.join(others)}")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def run(job: hyperqueue.Job, directory: Path, slots: int) -> tuple[float, int]:
    """Run the job; return when its end was reported, and how many tasks failed.

    HyperQueue's package asks once a second whether the job has ended.
    """
    directory.mkdir(mode=0o700)
    with hyperqueue.LocalCluster(str(directory), WorkerConfig(cores=slots)) as cluster:
        client = cluster.client()
        submitted = client.submit(job)
        client.wait_for_jobs([submitted], raise_on_error=False)
        return time.time(), len(client.get_failed_tasks(submitted))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    main()
