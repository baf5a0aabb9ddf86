"""Start and kill nodes, and remove the cgroups that Slurm leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.slurm.cluster.layout import Layout, Node
from tests.slurm.cluster.network import netns_path
from tests.slurm.cluster.prerequisites import program
from tests.slurm.cluster.shell import ClusterError
from tests.slurm.cluster.started_processes import (
    Process,
    StartedProcesses,
    signal_process,
    wait_gone,
)

CGROUP_ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("freezer", "memory", "cpuset", "cpuacct", "devices")


def start(layout: Layout, started_processes: StartedProcesses, node: Node) -> Process:
    """Boot the node: its namespaces, with slurmd in them.

    `nsenter` and not `ip netns exec`: that remounts /sys and slurmd finds no cgroups.
    The recorded process is `unshare`; process 1 of the node, its child, dies with it.
    """
    remove_cgroups(node)
    argv = [
        program("nsenter"),
        f"--net={netns_path(node)}",
        program("unshare"),
        *("--uts", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"),
        "/bin/bash",
        str(layout.node_script),
        node.name,
    ]
    log = layout.log_dir / f"slurmd.{node.name}.out"
    return started_processes.start(
        node.name, argv, log=log, env={"SLURM_CONF": str(layout.slurm_conf)}
    )


def kill(started_processes: StartedProcesses, *nodes: Node) -> bool:
    """Kill slurmd and every process of the nodes at once, as a power cut does.

    Returns when nothing of them runs any more; False when none was running.
    """
    found = [process for node in nodes if (process := started_processes.find(node.name))]
    namespaces = [_pid_namespace(process) for process in found]
    for process in found:
        signal_process(process, signal.SIGKILL)
    for process, namespace in zip(found, namespaces, strict=True):
        if not (wait_gone(process, 10.0) and _wait_namespace_empty(namespace, 10.0)):
            raise ClusterError(f"node {process.name} (PID {process.pid}) survived SIGKILL")
    return bool(found)


def processes(process: Process) -> list[int]:
    """Return the PIDs, as seen from outside, of all processes on the node."""
    return _pids_in(_pid_namespace(process))


def remove_cgroups(node: Node) -> None:
    """End what is left in the node's cgroups and remove them; slurmd creates them again."""
    for controller in CONTROLLERS:
        root = CGROUP_ROOT / controller / f"slurm_{node.name}"
        if root.is_dir():
            _remove_tree(root)


def _remove_tree(root: Path, timeout_s: float = 5.0) -> None:
    """Remove the cgroups bottom-up; retry those that are busy while a process is reaped."""
    deadline = time.monotonic() + timeout_s
    while root.is_dir() and time.monotonic() < deadline:
        deepest_first = sorted((Path(d) for d, _, _ in os.walk(root)), reverse=True)
        for directory in deepest_first:
            _kill_members(directory)
            with contextlib.suppress(OSError):
                directory.rmdir()
        if root.is_dir():
            time.sleep(0.05)


def _kill_members(directory: Path) -> None:
    deadline = time.monotonic() + 5
    while (members := (directory / "cgroup.procs").read_text().split()) and (
        time.monotonic() < deadline
    ):
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.02)


def _pid_namespace(process: Process) -> str:
    """Return the namespace that `unshare` gives its children; ours if it has not done so yet."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{process.pid}/ns/pid_for_children").readlink())
    return ""


def _pids_in(namespace: str) -> list[int]:
    if namespace in ("", str(Path("/proc/self/ns/pid").readlink())):
        return []
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and str((entry / "ns/pid").readlink()) == namespace:
                found.append(int(entry.name))
    return found


def _wait_namespace_empty(namespace: str, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while _pids_in(namespace):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
