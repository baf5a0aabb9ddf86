"""``make bench-emulator``: the rate of array jobs, the daemon's memory, the commands' speed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hpckit.emulator import control

from .conftest import end_all
from .results import Results

JOBS = 500
REPEATS = 15
COMMANDS = (
    ["squeue"], ["sinfo"], ["sacct", "-X", "-j", "1_1"], ["scontrol", "ping"], ["scancel", "1"],
    ["sbatch", "--test-only", "--wrap", "true"],
)  # fmt: skip


def main() -> int:
    """Measure; return the exit code."""
    results = Results("bench-emulator")
    with tempfile.TemporaryDirectory(prefix="hpckit-bench-") as directory:
        os.environ["HPCKIT_EMULATOR_DIR"] = directory
        try:
            _measure(control.up(name="bench"), Path(directory), results)
        finally:
            end_all("bench")
    return results.write()


def _measure(cluster: control.Cluster, work: Path, results: Results) -> None:
    sbatch = [str(cluster.bin_dir / "sbatch"), "-Q", "-W", "-o", "/dev/null", "--wrap", "true"]
    began = time.monotonic()
    subprocess.run([*sbatch, "-a", f"0-{JOBS - 1}"], cwd=work, check=True)
    results.at_least("array jobs per second", JOBS / (time.monotonic() - began), 20)
    results.at_most("daemon's peak memory, MB", _peak_mb(cluster), 100)
    for words in COMMANDS:
        results.at_most(f"{' '.join(words)}: ms", _best_ms(cluster, words, work), 100)
    before = _cpu_s(cluster)
    time.sleep(5)
    results.at_most("idle CPU, percent", (_cpu_s(cluster) - before) / 5 * 100, 0.2)


def _pid(cluster: control.Cluster) -> int:
    return int((cluster.state_dir / "lock").read_text())


def _peak_mb(cluster: control.Cluster) -> float:
    text = Path(f"/proc/{_pid(cluster)}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1000


def _cpu_s(cluster: control.Cluster) -> float:
    words = Path(f"/proc/{_pid(cluster)}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _best_ms(cluster: control.Cluster, words: list[str], work: Path) -> float:
    """Return the best of some runs: what the command takes, whatever else the machine does."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(
            [str(cluster.bin_dir / words[0]), *words[1:]], cwd=work, capture_output=True,
            check=False,
        )  # fmt: skip
        times.append((time.perf_counter() - began) * 1000)
    return round(min(times), 1)


if __name__ == "__main__":
    sys.exit(main())
