"""The files, ports, addresses and names of one test cluster."""

from __future__ import annotations

import os
import socket
import zlib
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PREFIX = Path("/var/lib/hpckit-slurm")
CLUSTER_NAME = "hpckit"
SLOTS = 250
NODE_COUNT = 4
CPUS_PER_NODE = 2
MEMORY_MB_PER_NODE = 4000
GPUS_PER_NODE = 2
ACCOUNT = "hpckit"
LIMITED_ACCOUNT = "limited"  # an account that lets each user have two jobs at a time
USER = "root"


@dataclass(frozen=True)
class Node:
    """One virtual node.

    Attributes:
        name: Slurm's and its own host name, such as ``n1``.
        address: its IPv4 address on the cluster's bridge.
        netns: the name of its network namespace.
        uplink: the end of its veth pair that hangs on the bridge.
    """

    name: str
    address: str
    netns: str
    uplink: str


@dataclass(frozen=True)
class Layout:
    """Names every file, port and address of the cluster under one prefix.

    Two clusters never share a port, an address or an interface: all derive from `slot`,
    which `up` takes when it makes the bridge of that number, and keeps in a file.
    """

    prefix: Path

    @property
    def slot(self) -> int:
        """Number that `up` took, else the one that it will try first."""
        try:
            return int(self.slot_file.read_text())
        except (OSError, ValueError):
            return self.preferred_slot

    @property
    def preferred_slot(self) -> int:
        """Number that `up` tries first: 0 for the default prefix, else a hash of the path."""
        if self.prefix == DEFAULT_PREFIX:
            return 0
        return 1 + zlib.crc32(os.fsencode(self.prefix)) % 200

    @property
    def slot_file(self) -> Path:
        return self.prefix / "slot"

    # --- network
    @property
    def subnet(self) -> str:
        return f"10.231.{self.slot}"

    @property
    def bridge(self) -> str:
        return bridge_name(self.slot)

    @property
    def login_address(self) -> str:
        return f"{self.subnet}.1"

    @property
    def login_name(self) -> str:
        """Host name of the controller: this machine's own, which slurmctld requires."""
        return socket.gethostname().split(".")[0]

    @property
    def nodes(self) -> tuple[Node, ...]:
        prefix = f"s{self.slot}n" if self.slot else "n"  # slurmd names cgroups after its node
        return tuple(
            Node(
                name=f"{prefix}{i}",
                address=f"{self.subnet}.{10 + i}",
                netns=f"hks{self.slot}-n{i}",
                uplink=f"hks{self.slot}-n{i}",
            )
            for i in range(1, NODE_COUNT + 1)
        )

    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(n.name for n in self.nodes)
        raise ValueError(f"node {name!r} not found; known: {known}")

    @property
    def controller_port(self) -> int:
        return 17000 + 10 * self.slot

    @property
    def node_port(self) -> int:
        return self.controller_port + 1

    @property
    def database_port(self) -> int:
        return self.controller_port + 2

    # --- files
    @property
    def etc(self) -> Path:
        return self.prefix / "etc"

    @property
    def slurm_conf(self) -> Path:
        return self.etc / "slurm.conf"

    @property
    def hosts(self) -> Path:
        return self.etc / "hosts"

    @property
    def node_script(self) -> Path:
        return self.etc / "node.sh"

    @property
    def bin_dir(self) -> Path:
        return self.prefix / "bin"

    @property
    def log_dir(self) -> Path:
        return self.prefix / "log"

    @property
    def run_dir(self) -> Path:
        return self.prefix / "run"

    @property
    def state_dir(self) -> Path:
        return self.prefix / "state"

    @property
    def shared_dir(self) -> Path:
        """Directory that serves as shared file system: outside /tmp, which each node has alone."""
        return self.prefix / "shared"

    @property
    def started_processes(self) -> Path:
        return self.prefix / "processes.json"

    @property
    def munge_socket(self) -> Path:
        return self.run_dir / "munge.socket"

    @property
    def database_socket(self) -> Path:
        return self.run_dir / "mariadb.socket"

    def spool(self, name: str) -> Path:
        return self.state_dir / name


def bridge_name(slot: int) -> str:
    return f"hks{slot}"


def default_layout() -> Layout:
    """Return the layout under ``$HPCKIT_SLURM_PREFIX``, else under /var/lib/hpckit-slurm."""
    prefix = os.environ.get("HPCKIT_SLURM_PREFIX")
    return Layout(Path(prefix).absolute() if prefix else DEFAULT_PREFIX)
