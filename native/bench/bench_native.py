#!/usr/bin/env python3
"""Measure compress_task against zfp's own tool and /bin/true; write results/bench-native.json.

Runs are interleaved, and each pair gives one ratio, so that a busy machine disturbs both
sides alike; the figure is the median of the pairs.

    python native/bench/bench_native.py native/build/compress_task results/bench-native.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

SIZE = 256  # values along each axis: 134 MB
TOLERANCE = "1e-3"
PAIRS = 7
STARTS = 301


@dataclass(frozen=True)
class Check:
    """One measured figure and what is demanded of it."""

    name: str
    value: float
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        """Whether the demand is met."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def seconds_of(command: Sequence[str]) -> float:
    """Wall time of one run, start to exit; its output is dropped."""
    with Path(os.devnull).open("wb") as null:
        redirect = [(os.POSIX_SPAWN_DUP2, null.fileno(), 1)]
        begin = time.perf_counter()
        child = os.posix_spawn(command[0], list(command), os.environ, file_actions=redirect)
        _, status = os.waitpid(child, 0)
        elapsed = time.perf_counter() - begin
    if status != 0:
        raise SystemExit(f"bench-native: error: {' '.join(command)} ended with status {status}")
    return elapsed


def interleaved(
    theirs: Sequence[str], ours: Sequence[str], pairs: int
) -> tuple[list[float], list[float]]:
    """Times of both commands, run in turns; who goes first alternates."""
    times: tuple[list[float], list[float]] = ([], [])
    for command in (theirs, ours):
        seconds_of(command)  # warm the page cache
    for pair in range(pairs):
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        for side in order:
            times[side].append(seconds_of((theirs, ours)[side]))
    return times


def throughput_check(name: str, theirs: Sequence[str], ours: Sequence[str], limit: float) -> Check:
    """Our throughput as a part of theirs."""
    their_times, our_times = interleaved(theirs, ours, PAIRS)
    ratios = [t / o for t, o in zip(their_times, our_times, strict=True)]
    megabytes = SIZE**3 * 8 / 1e6
    sys.stderr.write(
        f"{name}: zfp {megabytes / statistics.median(their_times):.0f} MB/s, "
        f"compress_task {megabytes / statistics.median(our_times):.0f} MB/s, "
        f"pairs {', '.join(f'{r:.2f}' for r in ratios)}\n"
    )
    return Check(name, statistics.median(ratios), limit, at_least=True)


def start_check(executable: str) -> Check:
    """Start to exit of a no-op call, in units of /bin/true."""
    theirs, ours = interleaved(
        [shutil.which("true") or "/bin/true"], [executable, "--version"], STARTS
    )
    sys.stderr.write(
        f"start: true {1e3 * statistics.median(theirs):.3f} ms, "
        f"compress_task {1e3 * statistics.median(ours):.3f} ms\n"
    )
    value = statistics.median(ours) / statistics.median(theirs)
    return Check("start_to_exit_vs_true_at_most", value, 2.0, at_least=False)


def measure(executable: str, directory: Path) -> list[Check]:
    """Run all measurements; `directory` takes about 300 MB."""
    zfp = shutil.which("zfp")
    if zfp is None:
        raise SystemExit("bench-native: error: the zfp command is needed: apt install zfp")
    npy, raw = str(directory / "field.npy"), directory / "field.raw"
    generate = [executable, "generate", "-o", npy, "--size", str(SIZE), "--seed", "1"]
    subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
    raw.write_bytes(Path(npy).read_bytes()[-(SIZE**3) * 8 :])
    lengths = [str(SIZE)] * 3
    theirs = [zfp, "-q", "-d", "-3", *lengths, "-a", TOLERANCE, "-i", str(raw)]
    theirs += ["-z", str(directory / "theirs.zfp")]
    ours = [
        executable,
        "compress",
        npy,
        "-o",
        str(directory / "ours.hpcz"),
        "--tolerance",
        TOLERANCE,
    ]
    return [
        throughput_check(
            "compress_unverified_vs_zfp_at_least", theirs, [*ours, "--no-verify"], 0.95
        ),
        throughput_check("compress_verified_durable_vs_zfp_at_least", theirs, ours, 0.55),
        start_check(executable),
    ]


def main() -> int:
    """Measure, write the results, and tell whether all limits were kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("executable", type=Path)
    parser.add_argument("results", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=options.executable.resolve().parent) as name:
        checks = measure(str(options.executable.resolve()), Path(name))
    checks = [replace(check, value=round(check.value, 3)) for check in checks]
    document = {
        "schema": "hpckit.results/1",
        "name": "bench-native",
        "machine": {
            "cpus": os.cpu_count(),
            "architecture": platform.machine(),
            "load_before": load_before,
            "load_after": os.getloadavg()[0],
        },
        "checks": [{**asdict(check), "pass": check.passed} for check in checks],
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(document, indent=2) + "\n")
    for check in checks:
        verdict = "ok  " if check.passed else "MISS"
        sys.stdout.write(f"{verdict} {check.name}: {check.value} (limit {check.limit})\n")
    return 0 if all(check.passed for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
