"""Find what a run must not leave behind: processes, ports, temporary files, jobs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.chaos.checksum_bag import stray_files
from tests.chaos.run_under_test import RunUnderTest


def find_leftovers(run: RunUnderTest, ports: set[int], limit_s: float = 40.0) -> list[str]:
    """Return descriptions of what is still there after `limit_s`."""
    checks: tuple[Callable[[], list[str]], ...] = (
        lambda: _processes(run),
        lambda: _jobs(run),
        lambda: _listening(ports) if run.cluster.kind == "emulated" else [],
        lambda: _temporary(run),
    )
    deadline = time.monotonic() + limit_s
    while True:
        found = [words for check in checks for words in check()]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def _processes(run: RunUnderTest) -> list[str]:
    """Return the processes whose command line or environment names the run."""
    marks = [os.fsencode(run.run_dir), b"HPCKIT_RUN=" + run.name.encode() + b"\0"]
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            about = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            about += Path(f"/proc/{process.pid}/environ").read_bytes()
            if any(mark in about for mark in marks):
                words = " ".join(process.cmdline())[:100]
                found.append(f"process {process.pid} ({process.status()}): {words}")
        except (OSError, psutil.Error):
            continue
    return found


def _jobs(run: RunUnderTest) -> list[str]:
    own = set(run.jobs("head", "workers", "allocation"))
    rows = run.cluster.slurm("squeue", "-h", "-o", "%i %T").splitlines()
    return [f"job {row}" for row in rows if row.partition(" ")[0].partition("_")[0] in own]


def _listening(ports: set[int]) -> list[str]:
    listening = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == "LISTEN"}
    return [f"port {port}" for port in sorted(ports & listening)]


def _temporary(run: RunUnderTest) -> list[str]:
    found = [p for p in run.run_dir.rglob(".*") if p.is_file()] + stray_files(run.root)
    if run.cluster.kind == "emulated":  # a real node has its own, removed with the node
        found += list(run.cluster.node_tmp.glob("hpckit-node-*"))
    return [f"file {path}" for path in found]


def published_ports(run_dir: Path) -> set[int]:
    """Return the ports that the current head has published."""
    try:
        address = json.loads((run_dir / "address" / "head.json").read_bytes())
    except (OSError, ValueError):
        return set()
    found = {int(address["door_port"])}
    engine = address.get("engine", {})
    if "port" in engine:
        found.add(int(engine["port"]))
    if "gcs" in engine:
        found.add(int(str(engine["gcs"]).rpartition(":")[2]))
    return found
