"""HyperQueue: a server, one worker, one array with a task for each command.

https://it4innovations.github.io/hyperqueue/stable/jobs/arrays/ . Server and workers prove
themselves with keys in the server's directory, which is private.
"""

import datetime
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

START_S = 30.0
ENTRY = 'eval "$HQ_ENTRY"'


def main() -> None:
    """Run the commands of the file that is the argument."""
    config = json.loads(Path(sys.argv[1]).read_text())
    directory = Path(config["directory"])
    hq = ["hq", "--server-dir", str(directory / "hq")]
    lines = directory / "lines"
    lines.write_text("".join(shlex.join(command) + "\n" for command in config["commands"]))
    server = started([*hq, "server", "start", "--host", "127.0.0.1"], directory / "server.log")
    worker = None
    try:
        await_file(directory / "hq" / "hq-current" / "access.json")
        words = ["worker", "start", "--cpus", str(config["slots"])]
        worker = started([*hq, *words], directory / "worker.log")
        words = ["submit", "--each-line", str(lines), "--stdout", "none", "--stderr", "none"]
        words += ["--wait", "--", "sh", "-c", ENTRY]
        subprocess.run([*hq, *words], stdout=subprocess.DEVNULL, check=False)
        known = time.time()
        words = ["--output-mode", "json", "task", "list", "1"]
        said = subprocess.run([*hq, *words], capture_output=True, text=True, check=True).stdout
    finally:
        for process in filter(None, (worker, server)):
            process.terminate()
            process.wait()
    sys.stdout.write(json.dumps({**account(json.loads(said)["1"]), "known": known}) + "\n")


def started(argv: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process in the background."""
    with log.open("wb") as stream:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)


def await_file(path: Path) -> None:
    """Wait until the server has written how it can be found."""
    deadline = time.monotonic() + START_S
    while not path.exists():
        if time.monotonic() > deadline:
            sys.exit(f"the server has not written {path} within {START_S:.0f} s")
        time.sleep(0.02)


def account(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the times of the tasks that ran, and how many ended well."""
    ran = [task for task in tasks if "started_at" in task and "finished_at" in task]
    return {
        "first_start": min(unix(task["started_at"]) for task in ran),
        "last_end": max(unix(task["finished_at"]) for task in ran),
        "done": sum(task["state"] == "finished" for task in ran),
    }


def unix(text: str) -> float:
    """Return the Unix time of ``2026-11-21T20:42:40.123456789Z``."""
    return datetime.datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
