"""Run commands with Ray on this machine, a remote function call per command."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import ray


@ray.remote(max_retries=0)  # type: ignore[untyped-decorator]
def run(command: list[str]) -> tuple[float, float, int]:
    """Run one command; return when it started and ended, and its exit code."""
    began = time.time()
    done = subprocess.run(command, capture_output=True, check=False)
    return began, time.time(), done.returncode


def main() -> None:
    """Run the commands of the file that is the argument."""
    config = json.loads(Path(sys.argv[1]).read_text())
    ray.init(
        num_cpus=config["slots"],
        include_dashboard=False,
        logging_level="ERROR",
        _temp_dir=config["directory"],
    )
    try:
        results = ray.get([run.remote(command) for command in config["commands"]])
        known = time.time()
    finally:
        ray.shutdown()
    done = {
        "first_start": min(began for began, _, _ in results),
        "last_end": max(ended for _, ended, _ in results),
        "known": known,
        "done": sum(code == 0 for _, _, code in results),
        "mean_task_s": sum(ended - began for began, ended, _ in results) / len(results),
    }
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
