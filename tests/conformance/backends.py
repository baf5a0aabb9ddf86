"""The two Slurms that a case runs on: a real one, and the emulated one."""

from __future__ import annotations

import atexit
import contextlib
import functools
import getpass
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance.driver import Faults, Slurm
from tests.slurm.cluster import lifecycle
from tests.slurm.cluster import prerequisites as real_prerequisites
from tests.slurm.cluster.claim import claimed
from tests.slurm.cluster.faults import Faults as RealFaults
from tests.slurm.cluster.layout import (
    CPUS_PER_NODE,
    GPUS_PER_NODE,
    MEMORY_MB_PER_NODE,
    NODE_COUNT,
    USER,
    default_layout,
)

if TYPE_CHECKING:
    from hpckit.emulator.config import ClusterConfig

OUTAGE_S = 6.0
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Cluster:
    """A running Slurm, from which each case gets a `Slurm` of its own."""

    backend: str
    bin_dir: Path
    shared_dir: Path
    nodes: list[str]
    user: str
    faults: Faults
    login_address: str

    def for_case(self, name: str) -> Slurm:
        directory = self.shared_dir / name
        directory.mkdir(parents=True)
        return Slurm(self.backend, self.bin_dir, directory, self.nodes, self.user, self.faults)


Backend = Callable[[str], contextlib.AbstractContextManager[Cluster]]


@contextlib.contextmanager
def real(lane: str) -> Iterator[Cluster]:
    """Start a real cluster for this lane, separate from the one of `make slurm-up`."""
    with claimed(f"{default_layout().prefix}-conformance-{lane}") as layout:
        lifecycle.down(layout)  # an interrupted run may have left one
        lifecycle.up(layout)
        try:
            yield Cluster(
                "real",
                layout.bin_dir,
                layout.shared_dir,
                [node.name for node in layout.nodes],
                USER,
                RealFaults(layout),
                layout.login_address,
            )
        finally:
            lifecycle.down(layout)


def missing_reason(backend: str) -> str:
    """Return why the backend cannot run here, and the command that changes that; "" when it can."""
    return real_prerequisites.missing_reason() if backend == "real" else ""


@contextlib.contextmanager
def emulated(lane: str) -> Iterator[Cluster]:
    """Start an emulated cluster of the same shape, with the same partitions and delays."""
    from hpckit.emulator import control

    with _ONE_AT_A_TIME:  # both lanes start at once, and must get the same directory
        os.environ["HPCKIT_EMULATOR_DIR"] = str(_emulator_dir())
    name = f"conformance-{lane}"
    config = emulated_config()
    cluster = control.up(config, name=name)
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="hpckit-conformance-") as shared:
        try:
            yield Cluster(
                "emulated",
                cluster.bin_dir,
                Path(shared),
                config.node_names(),
                getpass.getuser(),
                EmulatedFaults(name, config.node_names()),
                "127.0.0.1",
            )
        finally:
            control.down(name)


@functools.cache
def _emulator_dir() -> Path:
    directory = tempfile.mkdtemp(dir="/var/tmp", prefix="hpckit-emulator-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


def emulated_config() -> ClusterConfig:
    """Return the configuration of the real test cluster (tests/slurm/cluster/config.py)."""
    from hpckit.emulator.config import ClusterConfig, PartitionConfig

    day, hour = 24 * 60, 60
    partitions = (
        PartitionConfig(
            name="debug", default=True, max_time_min=day, default_time_min=hour,
            priority_tier=5, preempt=False,
        ),
        PartitionConfig(
            name="short", max_time_min=2, default_time_min=1, priority_tier=5, preempt=False
        ),
        PartitionConfig(
            name="low", max_time_min=day, default_time_min=hour, priority_tier=1, grace_s=3
        ),
        PartitionConfig(
            name="high", max_time_min=day, default_time_min=hour, priority_tier=10, preempt=False
        ),
    )  # fmt: skip
    return ClusterConfig(
        nodes=NODE_COUNT, cpus=CPUS_PER_NODE, memory_mib=MEMORY_MB_PER_NODE, gpus=GPUS_PER_NODE,
        node_prefix="n", features=("common",), partitions=partitions,
        kill_wait_s=5.0, requeue_delay_s=10.0,
    )  # fmt: skip


class EmulatedFaults:
    """The faults of the real cluster, for the emulated one."""

    def __init__(self, cluster: str, nodes: list[str]) -> None:
        self._cluster, self._nodes = cluster, nodes
        self._outage: float = 0

    def kill_node(self, name: str) -> None:
        from hpckit.emulator import control

        control.kill_node(name, name=self._cluster)

    def start_node(self, name: str) -> None:
        from hpckit.emulator import control

        control.resume(name, name=self._cluster)

    def stop_controller(self) -> None:
        """Stop the controller; the emulator needs the length of the outage in advance."""
        from hpckit.emulator import control

        self._outage = time.monotonic() + OUTAGE_S
        control.controller_down(OUTAGE_S, name=self._cluster)

    def start_controller(self) -> None:
        time.sleep(max(0.0, self._outage + 0.5 - time.monotonic()))

    def mend(self) -> None:
        self.start_controller()
        for node in self._nodes:
            self.start_node(node)


BACKENDS: dict[str, Backend] = {"real": real, "emulated": emulated}
