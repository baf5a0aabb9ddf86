"""Run commands with GNU parallel, one input line per command."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Run the commands of the file that is the argument."""
    config = json.loads(Path(sys.argv[1]).read_text())
    directory = Path(config["directory"])
    lines, log = directory / "lines", directory / "joblog"
    lines.write_text("".join(shlex.join(command) + "\n" for command in config["commands"]))
    argv = ["parallel", "--will-cite", "-j", str(config["slots"]), "--joblog", str(log)]
    env = {**os.environ, "PARALLEL_HOME": config["directory"], "TMPDIR": config["directory"]}
    with lines.open("rb") as stdin:
        subprocess.run(argv, stdin=stdin, stdout=subprocess.DEVNULL, env=env, check=False)
    known = time.time()
    # Seq Host Starttime JobRuntime Send Receive Exitval Signal Command
    rows = [line.split("\t") for line in log.read_text().splitlines()[1:]]
    starts = [float(row[2]) for row in rows]
    done = {
        "first_start": min(starts),
        "last_end": max(start + float(row[3]) for start, row in zip(starts, rows, strict=True)),
        "known": known,
        "done": sum(row[6] == "0" and row[7] == "0" for row in rows),
        "mean_task_s": sum(float(row[3]) for row in rows) / len(rows),
    }
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main()
