"""The clusters of the rounds: a private emulated one, or a private real one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hpckit.emulator import control
from tests.slurm.cluster import lifecycle
from tests.slurm.cluster.layout import Layout, default_layout
from tests.support.realslurm import RealSlurm, find_real_slurm
from tests.support.slurm_site import SlurmSite, clean_environment, remove_tree, user_environment

RUNS_MIB: Final = 48  # of the small disk on which the run directories lie
_SITE: Final = 'extends = "{parent}"\nnode_tmp = "{node_tmp}"\nrun_root = "{runs}"\n'
#: The emulated partition whose jobs are preempted; its nodes are those of the site's `main`.
_SPOT: Final = '[partitions.spot]\ncores = 2\nmemory = "4000M"\nmax_nodes = 4\n'


@dataclass
class ChaosCluster:
    """A private Slurm and the faults that can be injected into it.

    Attributes:
        kind: ``emulated`` or ``slurm``.
        slurm_site: the Slurm as a user sees it.
        bin_dir: Slurm's commands.
        runs: the directory of the run directories.
        node_tmp: the nodes' own directory for temporary files.
        small_disk: True if `runs` is a small file system of its own.
        preempting: a partition whose jobs preempt ours, and our partition.
        real: the real cluster, if it is one.
    """

    kind: str
    slurm_site: SlurmSite
    bin_dir: Path
    runs: Path
    node_tmp: Path
    small_disk: bool
    preempting: tuple[str, str]
    real: RealSlurm | None = None

    def slurm(self, program: str, *words: str, check: bool = True) -> str:
        """Run one of Slurm's commands; return its stdout."""
        done = subprocess.run(
            [str(self.bin_dir / program), *words],
            env=self.slurm_site.env, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{program} {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def job_incarnations(self) -> list[tuple[str, str, str]]:
        """Return the id, state and exit code of every job, once per incarnation."""
        words = ["-n", "-P", "-X", "-D", "-S", "now-1days", "-o", "JobID,State,ExitCode"]
        rows = [line.split("|") for line in self.slurm("sacct", *words).splitlines()]
        return [(row[0], row[1].split()[0], row[2]) for row in rows if len(row) == 3]

    # -- faults
    def kill_node(self, node: str) -> None:
        if self.real:
            self.real.faults.kill_node(node)
        else:
            control.kill_node(node, name=self.slurm_site.site)

    def mend_node(self, node: str) -> None:
        if self.real:
            self.real.faults.mend()
        else:
            control.resume(node, name=self.slurm_site.site)

    def stop_controller(self) -> None:
        if self.real:
            self.real.faults.stop_controller()
        else:
            control.controller_down(12.0, name=self.slurm_site.site)

    def start_controller(self) -> None:
        if self.real:
            self.real.faults.start_controller()

    def kill_daemon(self) -> int:
        """Kill the emulator's daemon with SIGKILL; return its pid."""
        pid = int(control.status(self.slurm_site.site)["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def daemon(self) -> int:
        """Return the pid of the emulator's daemon, 0 while there is none."""
        return int(control.status(self.slurm_site.site)["pid"] or 0)

    def fill_disk(self) -> Path:
        """Fill the disk of the runs; return the file that fills it."""
        filler = self.runs / "ballast"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
            while True:
                stream.write(b"\0" * 65536)
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as stream:
            while True:
                stream.write(b"\0")
        return filler

    def mend(self) -> None:
        """Undo all faults that a round may have left."""
        (self.runs / "ballast").unlink(missing_ok=True)
        if self.real:
            self.real.faults.mend()
            return
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                for node in control.status(self.slurm_site.site)["nodes"]:
                    if "DOWN" in str(node["state"]).upper():
                        control.resume(node["name"], name=self.slurm_site.site)
                return
            except Exception:  # the controller is down for some seconds
                time.sleep(0.5)


@contextmanager
def emulated_cluster() -> Iterator[ChaosCluster]:
    """Start an emulated cluster in a short directory under /tmp; remove it at the end."""
    root = Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
    runs = root / "r"
    runs.mkdir()
    (root / "t").mkdir()
    env = user_environment(root, clean_environment())
    env |= {"HPCKIT_EMULATOR_DIR": str(root / "e"), "HPCKIT_RUNS": str(runs)}
    before = os.environ.get("HPCKIT_EMULATOR_DIR")
    os.environ["HPCKIT_EMULATOR_DIR"] = env["HPCKIT_EMULATOR_DIR"]
    _write_site(root, "chaos", "local", root / "t", runs, _SPOT)
    found = SlurmSite("chaos", root, env)
    try:
        with _small_disk(runs) as small:
            bin_dir = root / "e" / "chaos" / "bin"
            try:
                yield ChaosCluster(
                    "emulated", found, bin_dir, runs, root / "t", small, ("main", "spot")
                )
            finally:
                (runs / "ballast").unlink(missing_ok=True)
                try:
                    found.end_all_runs()
                finally:
                    control.down("chaos")
    finally:
        os.environ.pop("HPCKIT_EMULATOR_DIR")
        if before is not None:
            os.environ["HPCKIT_EMULATOR_DIR"] = before
        remove_tree(root)


@contextmanager
def real_cluster() -> Iterator[ChaosCluster]:
    """Start a private real cluster; its nodes see the small disk, which is mounted before."""
    layout = Layout(Path(f"{default_layout().prefix}-chaos"))
    root = Path(tempfile.mkdtemp(prefix="hpckit-chaos-", dir="/var/lib"))
    runs = root / "runs"
    runs.mkdir()
    _write_site(root, "chaos", "slurm", Path("/tmp"), runs)
    try:
        with _small_disk(runs) as small:
            lifecycle.down(layout)
            lifecycle.up(layout)
            try:
                real = find_real_slurm(layout)
                assert real is not None
                env = {k: v for k, v in real.env.items() if not k.startswith("HPCKIT_")}
                env["PATH"] = f"{real.bin_dir}{os.pathsep}{env['PATH']}"
                env = user_environment(root, env) | {"HPCKIT_RUNS": str(runs)}
                slurm_site = SlurmSite("chaos", root, env)
                yield ChaosCluster(
                    "slurm",
                    slurm_site,
                    real.bin_dir,
                    runs,
                    Path("/tmp"),
                    small,
                    ("debug", "low"),
                    real,
                )
            finally:
                lifecycle.down(layout)
    finally:
        remove_tree(root)


def end_cluster_on_signal() -> None:
    """Let SIGTERM and SIGINT end the cluster before the process ends."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def _write_site(
    root: Path, name: str, parent: str, node_tmp: Path, runs: Path, more: str = ""
) -> None:
    sites = root / "config" / "hpckit" / "sites"
    sites.mkdir(parents=True)
    text = _SITE.format(parent=parent, node_tmp=node_tmp, runs=runs) + more
    (sites / f"{name}.toml").write_text(text)


@contextmanager
def _small_disk(path: Path) -> Iterator[bool]:
    """Mount a small file system at `path` if this user may; yield True if it is mounted."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={RUNS_MIB}m,mode=0700", "tmpfs", str(path)]
    mounted = os.geteuid() == 0 and not subprocess.run(words, check=False).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=False)
