"""Run commands with Work Queue: a manager, one worker, a task per command."""

import importlib
import json
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the commands of the file that is the argument."""
    config = json.loads(Path(sys.argv[1]).read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Debian 12's imports distutils
        work_queue = importlib.import_module(config["module"])
    queue = work_queue.WorkQueue(port=config["port"])
    queue.specify_password_file(config["password_file"])
    for command in config["commands"]:
        task = work_queue.Task(shlex.join(command))
        task.specify_cores(1)
        queue.submit(task)
    worker = start_worker(config, queue.port)
    try:
        done = collect(queue)
    finally:
        worker.terminate()
        worker.wait()
    sys.stdout.write(json.dumps(done) + "\n")


def start_worker(config: dict[str, Any], port: int) -> subprocess.Popen[bytes]:
    """Start a worker with as many cores as there are slots."""
    argv = ["work_queue_worker", f"--cores={config['slots']}", "--parent-death", "--single-shot"]
    argv += ["-s", config["directory"], "-P", config["password_file"], "127.0.0.1", str(port)]
    with Path(config["directory"], "worker.log").open("wb") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def collect(queue: Any) -> dict[str, Any]:
    """Wait for every task; return the times, which Work Queue reports in microseconds."""
    starts, ends, done, known = [], [], 0, 0.0
    while not queue.empty():
        task = queue.wait(1)
        if task is None:
            continue
        known = time.time()
        starts.append(task.execute_cmd_start / 1e6)
        ends.append(task.execute_cmd_finish / 1e6)
        done += task.result == 0 and task.return_status == 0
    mean_s = (sum(ends) - sum(starts)) / len(ends)
    times = {"first_start": min(starts), "last_end": max(ends), "known": known}
    return {**times, "done": done, "mean_task_s": mean_s}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
