"""The things that a run may not leave behind: processes, ports, temporary files, jobs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.chaos.bag import strays
from tests.chaos.scene import Scene


def left_behind(scene: Scene, ports: set[int], limit_s: float = 40.0) -> list[str]:
    """Return what is still there after `limit_s`, in words."""
    looks: tuple[Callable[[], list[str]], ...] = (
        lambda: _processes(scene),
        lambda: _jobs(scene),
        lambda: _listening(ports) if scene.slurm_site.kind == "emulated" else [],
        lambda: _temporary(scene),
    )
    deadline = time.monotonic() + limit_s
    while True:
        found = [words for look in looks for words in look()]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def _processes(scene: Scene) -> list[str]:
    """Processes whose command line or environment names the run's directory or its tasks."""
    marks = [os.fsencode(scene.run_dir), b"HPCKIT_RUN=" + scene.name.encode() + b"\0"]
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


def _jobs(scene: Scene) -> list[str]:
    own = set(scene.jobs("head", "workers", "allocation"))
    rows = scene.slurm_site.slurm("squeue", "-h", "-o", "%i %T").splitlines()
    return [f"job {row}" for row in rows if row.partition(" ")[0].partition("_")[0] in own]


def _listening(ports: set[int]) -> list[str]:
    listening = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == "LISTEN"}
    return [f"port {port}" for port in sorted(ports & listening)]


def _temporary(scene: Scene) -> list[str]:
    found = [p for p in scene.run_dir.rglob(".*") if p.is_file()] + strays(scene.root)
    if scene.slurm_site.kind == "emulated":  # else each node has its own, which goes with the node
        found += list(scene.slurm_site.node_tmp.glob("hpckit-node-*"))
    return [f"file {path}" for path in found]


def published_ports(run_dir: Path) -> set[int]:
    """Return the ports that the head of the moment has published."""
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
