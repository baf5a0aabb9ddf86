"""Start the cluster, end it, and report its status."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.cluster import config, daemons, network, nodes
from tests.slurm.cluster.layout import Layout
from tests.slurm.cluster.prerequisites import missing_reason
from tests.slurm.cluster.shell import ClusterError, run, wait_until
from tests.slurm.cluster.started_processes import StartedProcesses

FOR_SESSIONS = "for-sessions"  # a file: test sessions brought it up, and the last one ends it
LOGIN_DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld")


@dataclass(frozen=True)
class Status:
    """The cluster's processes that run, and the states of its nodes in Slurm."""

    alive: tuple[str, ...]
    dead: tuple[str, ...]
    nodes: dict[str, str]

    @property
    def is_up(self) -> bool:
        """True if all processes run; on a busy machine slurmctld may answer late."""
        return not self.dead


def status(layout: Layout) -> Status:
    started_processes = StartedProcesses(layout.started_processes)
    names = [*LOGIN_DAEMONS, *(node.name for node in layout.nodes)]
    alive = tuple(name for name in names if started_processes.find(name))
    dead = tuple(name for name in names if name not in alive)
    return Status(alive, dead, _node_states(layout) if "slurmctld" in alive else {})


def up(layout: Layout) -> bool:
    """Bring the cluster up, whatever state it is in. False when it was up already.

    Nodes or Slurm daemons that are missing are started again, and running jobs go on; only
    without its database or munge is the cluster made anew.
    """
    reason = missing_reason()
    if reason:
        raise ClusterError(reason)
    with _locked(layout):
        now = status(layout)
        if now.is_up:
            return False
        if not {"munged", "mariadbd"} & set(now.dead):
            start_missing(layout)
            return True
        _take_down(layout)
        try:
            _bring_up(layout)
        except BaseException:
            _end_processes(layout)  # the logs stay, to find the reason
            raise
    return True


def down(layout: Layout) -> bool:
    """Cancel all jobs, end all processes, remove all files.

    False when nothing was there.
    """
    with _locked(layout):
        return _take_down(layout)


def _bring_up(layout: Layout) -> None:
    layout.prefix.mkdir(parents=True, exist_ok=True)
    network.take_slot(layout)
    config.write_all(layout, memory_enforced=_cgroup_v1_works())
    started_processes = StartedProcesses(layout.started_processes)
    daemons.start_munge(layout, started_processes)
    daemons.start_database(layout, started_processes)
    network.make(layout)
    daemons.start_slurmdbd(layout, started_processes)
    daemons.add_accounts(layout)
    start_missing(layout)


def start_missing(layout: Layout) -> None:
    """Start slurmdbd, slurmctld and the nodes if they do not run, and wait for the nodes."""
    started_processes = StartedProcesses(layout.started_processes)
    if started_processes.find("slurmdbd") is None:
        daemons.start_slurmdbd(layout, started_processes)
    if started_processes.find("slurmctld") is None:
        daemons.start_slurmctld(layout, started_processes)
    for node in layout.nodes:
        if started_processes.find(node.name) is None:
            nodes.start(layout, started_processes, node)
    wait_for_nodes(layout)


def wait_for_nodes(layout: Layout, *, timeout_s: float = 60) -> None:
    """Wait until every node is ready for jobs: idle or allocated."""

    def all_there() -> bool:
        states = _node_states(layout)
        return len(states) == len(layout.nodes) and all(
            state in ("idle", "mixed", "allocated") for state in states.values()
        )

    wait_until(
        "all nodes to be idle", all_there, timeout_s=timeout_s, log=layout.log_dir / "slurmctld.log"
    )


def _take_down(layout: Layout) -> bool:
    if not layout.prefix.exists():
        return False
    _cancel_jobs(layout)
    _end_processes(layout)
    if (
        layout.slot_file.exists() or layout.started_processes.exists()
    ):  # else the network belongs to another cluster
        network.remove(layout)
    for node in layout.nodes:
        nodes.remove_cgroups(node)
    shutil.rmtree(layout.prefix)
    return True


def _cancel_jobs(layout: Layout) -> None:
    """Cancel every job and wait for its end: daemons stopped earlier would orphan steps."""
    if StartedProcesses(layout.started_processes).find("slurmctld") is None:
        return
    squeue, scancel = str(layout.bin_dir / "squeue"), str(layout.bin_dir / "scancel")
    with contextlib.suppress(ClusterError):
        if not run([squeue, "-h"]).strip():
            return
        run([scancel, "-u", "root"])
        run([scancel, "-f", "--state=PENDING", "-u", "root"], check=False)
        wait_until("the jobs' end", lambda: not run([squeue, "-h"]).strip(), timeout_s=15)


def _end_processes(layout: Layout) -> None:
    started_processes = StartedProcesses(layout.started_processes)
    nodes.kill(started_processes, *layout.nodes)
    for name in reversed(LOGIN_DAEMONS):
        started_processes.end(name, grace_s=10.0)


def _node_states(layout: Layout) -> dict[str, str]:
    text = run([str(layout.bin_dir / "sinfo"), "-h", "-N", "-o", "%N %T"], check=False)
    return dict(line.split() for line in text.splitlines())


def _cgroup_v1_works() -> bool:
    """Return True if this user can write the freezer and memory controllers of cgroup v1."""
    roots = [nodes.CGROUP_ROOT / name for name in ("freezer", "memory")]
    return all((root / "release_agent").exists() and os.access(root, os.W_OK) for root in roots)


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Lock out another `up` or `down`. The lock is on the prefix's parent, so it leaves no file."""
    parent = layout.prefix.parent
    parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def environment(layout: Layout) -> dict[str, str]:
    """Return the variables that a process on the login side needs to use the cluster."""
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    if str(layout.bin_dir) not in path.split(os.pathsep):
        path = f"{layout.bin_dir}{os.pathsep}{path}"
    return {"PATH": path, "SLURM_CONF": str(layout.slurm_conf)}


def log_files(layout: Layout) -> list[Path]:
    return sorted(layout.log_dir.glob("*")) if layout.log_dir.exists() else []
