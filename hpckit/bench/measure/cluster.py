"""The Slurm that is measured: an emulated cluster of the benchmark's own, or the real one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hpckit.engines.registry import VARIABLES
from hpckit.errors import EngineError, InputError, SchedulerError
from hpckit.slurm.command import run_slurm
from hpckit.slurm.jobs import reachable
from hpckit.slurm.scontrol import show_nodes

CLUSTER: Final = "bench"
_SUBMIT_S: Final = 120.0
_SITE: Final = """extends = "local"
default_partition = "main"
node_tmp = "{node_tmp}"
run_root = "{runs}"
port_range = [{first_port}, {last_port}]
[partitions.main]
cores = {cpus}
memory = "{memory_mib}M"
max_nodes = {nodes}
[partitions.spot]
cores = {cpus}
memory = "{memory_mib}M"
max_nodes = {nodes}
[emulated]
nodes = {nodes}
cpus = {cpus}
memory = "{memory_mib}M"
kill_wait = "{kill_wait_s}s"
"""


@dataclass(frozen=True, kw_only=True)
class EmulatedConfig:
    """Nodes and limits of the emulated cluster.

    Attributes:
        nodes: how many.
        cpus: of each node.
        ports: the first and last port that engines may use; (0, 0) is any.
        kill_wait_s: between SIGTERM and SIGKILL.
    """

    nodes: int
    cpus: int
    ports: tuple[int, int] = (0, 0)
    kill_wait_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class BenchCluster:
    """A Slurm to measure on, and a directory there.

    Attributes:
        kind: emulated or slurm.
        version: of Slurm.
        nodes, cpus_per_node: its size.
        site: the value of ``--site``; "" lets hpckit choose.
        slurm_bin: directory of its commands; "" is PATH.
        root: a directory of the benchmark's own that all nodes see.
        env: the environment in which hpckit is called.
    """

    kind: str
    version: str
    nodes: int
    cpus_per_node: int
    site: str
    slurm_bin: str
    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the `place` of the document."""
        names = ("kind", "version", "nodes", "cpus_per_node")
        return {name: getattr(self, name) for name in names}

    def slots(self, workers: int, cpus: int, machine_cpus: int) -> int:
        """Return how many tasks can really run at the same time.

        Emulated nodes share the CPUs of this machine, which limit the number.
        """
        slots = workers * cpus
        return min(slots, machine_cpus) if self.kind == "emulated" else slots


def is_slurm_reachable() -> bool:
    """Return True if a real Slurm answers here."""
    try:
        return shutil.which("sbatch") is not None and reachable("")
    except SchedulerError:
        return False


@contextmanager
def emulated_cluster(config: EmulatedConfig) -> Iterator[BenchCluster]:
    """Start an emulated cluster of the benchmark's own; stop it and all its jobs at the end.

    After a failed run its directory stays, for the error names the logs in it.

    Raises:
        InputError: another benchmark uses it.
    """
    from hpckit.emulator import control, paths
    from hpckit.launch.emulated_cluster import bring_up
    from hpckit.model.site_files import load_site_file

    # The path must be short, because it holds Unix sockets: docs/explanation/engines.md.
    root = Path(tempfile.mkdtemp(prefix="hb-", dir="/tmp"))
    try:
        with _exclusive_lock(Path(paths.root())):
            env = _environment(root, emulators=paths.root())
            site = _write_site(root, config)
            try:
                bring_up(load_site_file(site).site)
                slurm_bin = str(Path(paths.state_dir(CLUSTER)) / "bin")
                yield BenchCluster(
                    kind="emulated", version=_slurm_version(slurm_bin), nodes=config.nodes,
                    cpus_per_node=config.cpus, site=CLUSTER, slurm_bin=slurm_bin, root=root,
                    env=env,
                )  # fmt: skip
            finally:
                control.down(CLUSTER)
    except EngineError:
        raise
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    else:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _exclusive_lock(state: Path) -> Iterator[None]:
    """Lock the benchmark's cluster: two benchmarks at once would disturb each other."""
    from hpckit.emulator import control, paths

    paths.make_private(str(state))
    with (state / f"{CLUSTER}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            taken = "another benchmark is running"
        else:
            taken = "another benchmark was killed" if control.find(CLUSTER) else ""
        if taken:
            raise InputError(
                f"the emulated cluster {CLUSTER!r} is in use: {taken}",
                hint=f"Wait for it, or stop it: hpckit emulate down --cluster {CLUSTER}",
            )
        yield


def _environment(root: Path, *, emulators: str) -> dict[str, str]:
    """Return an environment without settings of this user, whose directories are in `root`."""
    prefixes = (*VARIABLES, "SLURM_", "SBATCH_", "HPCKIT_RUNS")
    env = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    env |= {"XDG_CONFIG_HOME": str(root / "c"), "XDG_STATE_HOME": str(root / "s")}
    return env | {"HPCKIT_EMULATOR_DIR": emulators}


def _write_site(root: Path, config: EmulatedConfig) -> Path:
    for name in ("r", "t"):
        (root / name).mkdir()
    sites = root / "c" / "hpckit" / "sites"
    sites.mkdir(parents=True)
    path = sites / f"{CLUSTER}.toml"
    text = _SITE.format(
        node_tmp=root / "t", runs=root / "r", nodes=config.nodes, cpus=config.cpus,
        memory_mib=2000 * (config.cpus + 1), first_port=config.ports[0], last_port=config.ports[1],
        kill_wait_s=math.ceil(config.kill_wait_s),
    )  # fmt: skip
    path.write_text(text)
    return path


@contextmanager
def real_cluster() -> Iterator[BenchCluster]:
    """Use the Slurm that answers here, and a directory beside the runs of this user.

    Raises:
        SchedulerError: it reports no nodes.
        InputError: hpckit cannot submit there.
    """
    runs = _run_root()
    runs.mkdir(parents=True, exist_ok=True)
    nodes = show_nodes(slurm_bin="")
    if not nodes:
        raise SchedulerError("Slurm answers, but `scontrol show node` reports no nodes")
    root = Path(tempfile.mkdtemp(prefix="bench-", dir=runs))
    try:
        yield BenchCluster(
            kind="slurm", version=_slurm_version(""), nodes=len(nodes),
            cpus_per_node=min(node.cpus for node in nodes), site="", slurm_bin="", root=root,
            env=dict(os.environ),
        )  # fmt: skip
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _run_root() -> Path:
    """Return the directory of this user's runs, as a dry run reports it."""
    words = ["submit", "--dry-run", "--json", "--range", "1-1", "--", "true"]
    return Path(call_hpckit(words, dict(os.environ), Path.cwd())["plan"]["run_dir"]).parent


def call_hpckit(words: list[str], env: dict[str, str], cwd: Path) -> dict[str, Any]:
    """Run a command of hpckit that prints a JSON document; return the document.

    Raises:
        SchedulerError: it failed; its own message is included.
    """
    argv = [sys.executable, "-m", "hpckit.cli", *words]
    try:
        done = subprocess.run(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=_SUBMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SchedulerError(
            f"`hpckit {' '.join(words)}` has not answered after {_SUBMIT_S:.0f} s",
            hint="Does the scheduler answer? Try squeue.",
        ) from error
    with contextlib.suppress(ValueError):
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout)
            return found
    raise SchedulerError(
        f"`hpckit {' '.join(words)}` ended with exit code {done.returncode}: "
        f"{done.stderr.strip() or done.stdout.strip()[:500]}"
    )


def _slurm_version(slurm_bin: str) -> str:
    """Return Slurm's version, which all its commands report."""
    return run_slurm("sinfo", ["--version"], slurm_bin=slurm_bin).split()[-1]
