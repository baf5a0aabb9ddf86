"""Emulated clusters as the rest of hpckit uses them: up, down, find, status, faults.

```python
cluster = control.up(ClusterConfig(nodes=4, cpus=2), name="local")
subprocess.run([cluster.bin_dir / "sbatch", "job.sh"])
control.down("local")
```
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpckit.emulator import launch, paths, protocol
from hpckit.emulator.config import ClusterConfig, PartitionConfig
from hpckit.emulator.core import hostlist
from hpckit.errors import InputError, SchedulerError, did_you_mean

__all__ = [
    "Cluster", "ClusterConfig", "PartitionConfig", "controller_down", "down", "drain", "find",
    "kill_node", "list_clusters", "named_nodes", "reclaim", "resume", "shell_environment",
    "slow_controller", "status", "time_scale", "up",
]  # fmt: skip
SCHEMA = "hpckit.emulate/1"
#: The least and greatest speed of a cluster's clock. At a day per second it reaches the last year
#: that a time stamp can hold after a month.
TIME_SCALES = (0.001, 86400.0)
_DOWN_TIMEOUT_S = 20.0
_ANY_VERSION = frozenset({"shutdown"})  # requests that a daemon of any version serves


@dataclass(frozen=True)
class Cluster:
    """A running emulated cluster.

    Attributes:
        name: the name that was given to `up`.
        state_dir: its directory, mode 0700.
        bin_dir: holds sbatch, srun, squeue, scancel, sacct, scontrol and sinfo; each works by
            its absolute path, in any environment.
    """

    name: str
    state_dir: Path
    bin_dir: Path


def up(config: ClusterConfig | None = None, *, name: str = "local") -> Cluster:
    """Start a cluster's daemon, or find it running.

    Without `config`, a cluster whose daemon was killed starts with the configuration it had.

    Raises:
        InputError: the cluster runs with another configuration.
        SchedulerError: the daemon does not start.
    """
    directory = paths.state_dir(name)
    existing = _find(name, directory)
    if existing is not None:
        launch.await_other_start(directory)
        _check_same(config, name)
        return existing
    paths.make_private(paths.root())
    paths.make_private(directory)
    about = {
        "config": replace(config or _config_before_crash(directory), name=name).to_json(),
        "address_block": _address_block(directory),
    }
    temporary = Path(directory, f"config.json.{os.getpid()}")
    temporary.write_text(json.dumps(about, indent=1))
    temporary.rename(Path(directory, "config.json"))
    _write_commands(directory)
    Path(directory, "down").unlink(missing_ok=True)
    launch.start(directory)
    found = _find(name, directory)
    if found is None:
        raise SchedulerError(
            f"the emulated cluster {name!r} ended as soon as it had started",
            hint=f"See {directory}/slurmctld.log.",
        )
    _check_same(config, name)  # another process may have started it at the same time
    return found


def _config_before_crash(directory: str) -> ClusterConfig:
    """Return the configuration of a cluster whose daemon ended without `down`; else the default."""
    if not Path(directory, "down").exists():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            about = json.loads(Path(directory, "config.json").read_text())
            return ClusterConfig.from_json(about["config"])
    return ClusterConfig()


def _check_same(config: ClusterConfig | None, name: str) -> None:
    if config is None:
        return
    running = ClusterConfig.from_json(_ask(name, {"op": "status"})["config"])
    wanted = replace(config, name=name)
    if running == wanted:
        return
    now, then = running.to_json(), wanted.to_json()
    differing = [f"{key} is {now[key]}, not {then[key]}" for key in now if now[key] != then[key]]
    raise InputError(
        f"the emulated cluster {name!r} is running with another configuration: "
        + "; ".join(differing),
        hint=f"End it first (hpckit emulate down --cluster {name}), or use another name.",
    )


def _address_block(directory: str) -> list[int]:
    """Return the x and y of the nodes' 127.x.y.*: they stay, and no other cluster has them."""
    taken = set()
    for other in list_clusters():
        with contextlib.suppress(OSError, ValueError, KeyError):
            path = Path(paths.state_dir(other))
            block = json.loads((path / "config.json").read_text())["address_block"]
            if str(path) == directory:
                return [block[0], block[1]]
            taken.add(tuple(block))
    digest = hashlib.sha256(f"{os.geteuid()} {directory}".encode()).digest()
    for offset in range(250 * 200):
        number = (int.from_bytes(digest[:4], "big") + offset) % (250 * 200)
        block = (number % 250 + 2, number // 250 + 1)
        if block not in taken:
            return list(block)
    raise InputError("no addresses are left for another emulated cluster")


def _write_commands(directory: str) -> None:
    """Write the commands, and a ``slurm.conf`` that names the emulator."""
    bin_dir = Path(directory, "bin")
    bin_dir.mkdir(mode=0o755, exist_ok=True)
    for command in paths.COMMANDS:
        words = " ".join(shlex.quote(word) for word in launch.boot_words(command, directory))
        temporary = bin_dir / f".{command}.{os.getpid()}"
        temporary.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        temporary.chmod(0o755)
        temporary.rename(bin_dir / command)
    Path(directory, "slurm.conf").write_text(
        "# An emulated Slurm of hpckit: see docs/how-to/emulated-slurm.md\n"
    )
    shims = Path(directory, "shims")
    shims.mkdir(exist_ok=True)
    hostname = shims / "hostname"
    hostname.write_text('#!/bin/sh\nprintf "%s\\n" "${SLURMD_NODENAME:-$(uname -n)}"\n')
    hostname.chmod(0o755)


def down(name: str = "local") -> None:
    """End a cluster's jobs and its daemon; no process of it is left. Idempotent.

    Raises:
        SchedulerError: the daemon does not end.
    """
    directory = paths.state_dir(name)
    if not Path(directory, "config.json").exists():
        return
    deadline = time.monotonic() + _DOWN_TIMEOUT_S
    asked = False
    while (alive := launch.locked(directory)) or not Path(directory, "down").exists():
        if not alive:  # it was killed: a new one finds and ends the processes that are left
            launch.start(directory)
        elif not asked:
            asked = _ask_to_end(name, directory)
        if time.monotonic() > deadline:
            raise SchedulerError(
                f"the emulated cluster {name!r} did not end within {_DOWN_TIMEOUT_S:.0f} s",
                hint=f"See {directory}/slurmctld.log; its pid is in {directory}/lock.",
            )
        time.sleep(0.01)


def _ask_to_end(name: str, directory: str) -> bool:
    """Ask a daemon to end; send a signal if it does not listen (its controller may be down)."""
    try:
        _ask(name, {"op": "shutdown"})
        return True
    except SchedulerError:
        with contextlib.suppress(OSError, ValueError):
            pid = int(Path(directory, "lock").read_text())
            if os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGTERM)
        return False


def find(name: str = "local") -> Cluster | None:
    """Return the running cluster of that name, or None."""
    return _find(name, paths.state_dir(name))


def _find(name: str, directory: str) -> Cluster | None:
    if not launch.locked(directory):
        return None
    return Cluster(name, Path(directory), Path(directory, "bin"))


def list_clusters() -> list[str]:
    """Return the names of all clusters of this user, running or not."""
    root = Path(paths.root())
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if (p / "config.json").exists())


def status(name: str = "local") -> dict[str, Any]:
    """Return the status of a cluster as plain data: nodes, and the number of jobs per state."""
    document: dict[str, Any] = {
        "schema": SCHEMA, "cluster": name, "running": False, "pid": None, "nodes": [], "jobs": {},
    }  # fmt: skip
    if find(name) is None:
        return document
    reply = _ask(name, {"op": "status"})
    document |= {key: reply[key] for key in ("pid", "nodes", "jobs", "config", "namespaces")}
    document["running"] = True
    document["state_dir"] = paths.state_dir(name)
    return document


def shell_environment(cluster: Cluster) -> dict[str, str]:
    """Return this process's environment with the cluster's commands first on PATH."""
    environment = {
        key: value for key, value in os.environ.items()
        if not key.startswith(("SLURM_", "SBATCH_", "SLURMD_"))
    }  # fmt: skip
    environment["PATH"] = f"{cluster.bin_dir}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment["SLURM_CONF"] = str(cluster.state_dir / "slurm.conf")
    environment["HPCKIT_CLUSTER"] = cluster.name
    return environment


# -- faults --------------------------------------------------------------------------------


def named_nodes(words: Sequence[str], *, name: str = "local") -> list[str]:
    """Return the nodes that `words` name: ``local-n2``, ``local-n[1-3]``, or ``2`` (the second).

    Raises:
        InputError: there is no such node.
        SchedulerError: the cluster does not run.
    """
    known = [node["name"] for node in _ask(name, {"op": "status"})["nodes"]]
    found: list[str] = []
    for word in words:
        try:
            one = int(word) - 1 if word.isdecimal() else -1
            names = [known[one]] if 0 <= one < len(known) else hostlist.expand(word)
        except ValueError:
            names = [word]
        strange = [node for node in names if node not in known]
        if strange or not names:
            raise InputError(
                f"the emulated cluster {name!r} has no node {(strange or [word])[0]!r}; it has "
                f"{hostlist.compress(known)}." + did_you_mean((strange or [word])[0], known)
            )
        found += [node for node in names if node not in found]
    return found


def kill_node(node: str, *, name: str = "local") -> None:
    """Cut a node's power: its processes end at once, the controller notices soon."""
    _ask(name, {"op": "kill_node", "node": node})


def drain(node: str, *, name: str = "local", reason: str = "drained by hand") -> None:
    """Drain a node: it finishes its jobs and gets no new ones."""
    values = {"state": "DRAIN", "reason": reason}
    _ask(name, {"op": "change", "what": "node_update", "target": node, "values": values})


def resume(node: str, *, name: str = "local") -> None:
    """Bring a drained or dead node back."""
    values = {"state": "RESUME"}
    _ask(name, {"op": "change", "what": "node_update", "target": node, "values": values})


def controller_down(seconds: float, *, name: str = "local") -> None:
    """Answer no command for so many seconds; jobs go on."""
    _ask(name, {"op": "controller_down", "seconds": seconds})


def slow_controller(seconds: float, *, for_s: float | None = None, name: str = "local") -> None:
    """Answer every command so many seconds late (0 ends it), for `for_s` seconds or for good."""
    _ask(name, {"op": "slow_controller", "seconds": seconds, "for_s": for_s})


def reclaim(
    *, per_hour: float, grace_s: float = 30.0, seed: int = 1, partition: str = "",
    name: str = "local",
) -> None:  # fmt: skip
    """Preempt running jobs at random, so many per hour, as on spot capacity (0 ends it).

    Each job's steps get TERM; after `grace_s` the job ends and is requeued.

    Raises:
        InputError: there is no such partition.
    """
    if partition:
        config = ClusterConfig.from_json(_ask(name, {"op": "status"})["config"])
        known = [p.name for p in config.partitions]
        if partition not in known:
            raise InputError(
                f"the emulated cluster {name!r} has no partition {partition!r}; it has "
                f"{', '.join(known)}." + did_you_mean(partition, known)
            )
    message = {"per_hour": per_hour, "grace_s": grace_s, "seed": seed, "partition": partition}
    _ask(name, {"op": "reclaim", **message})


def time_scale(factor: float, *, name: str = "local") -> None:
    """Run the cluster's clock `factor` times as fast as the machine's.

    Raises:
        InputError: `factor` is not within `TIME_SCALES`: time stamps would overflow.
    """
    least, most = TIME_SCALES
    if not least <= factor <= most:
        raise InputError(
            f"FACTOR is {factor:g}, but must be a number within {least:g} and {most:g}",
            hint="60 lets a minute pass in a second; 1 is the machine's own time.",
        )
    _ask(name, {"op": "time_scale", "factor": factor})


def _ask(name: str, message: dict[str, Any]) -> dict[str, Any]:
    """Send one request to a cluster's daemon.

    Raises:
        SchedulerError: the daemon does not run, does not answer, refuses, or has another version.
    """
    try:
        sock = protocol.connect(paths.socket_path(paths.state_dir(name)))
    except OSError as error:
        raise _unreachable(name) from error
    with sock:
        protocol.send(sock, message)
        try:
            reply = protocol.receive(sock, protocol.Inbox())
        except protocol.Closed as error:
            raise SchedulerError(
                f"the emulated cluster {name!r} closed the connection without an answer"
            ) from error
    if message["op"] not in _ANY_VERSION:
        try:
            protocol.check_version(reply, name)
        except protocol.VersionMismatch as error:
            raise SchedulerError(error.text, hint=error.hint) from None
    if "error" in reply:
        raise SchedulerError(f"the emulated cluster {name!r} refused: {reply['text']}")
    return reply


def _unreachable(name: str) -> SchedulerError:
    if find(name) is not None:
        return SchedulerError(
            f"the emulated cluster {name!r} does not answer",
            hint="Its controller may be down for a time (hpckit emulate controller-down).",
        )
    flag = "" if name == "local" else f" --cluster {name}"
    up = ", ".join(other for other in list_clusters() if find(other)) or "none"
    return SchedulerError(
        f"the emulated cluster {name!r} is not running; running: {up}",
        hint=f"Start it with: hpckit emulate up{flag}",
    )
