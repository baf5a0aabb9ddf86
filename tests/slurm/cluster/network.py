"""The network: one bridge, and per node a network namespace with an address of its own."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.slurm.cluster.layout import SLOTS, Layout, Node, bridge_name
from tests.slurm.cluster.prerequisites import program
from tests.slurm.cluster.shell import ClusterError, run

REGISTRY = Path("/run/netns")


def take_slot(layout: Layout) -> None:
    """Create a bridge whose number no other cluster has, and keep the number.

    Another cluster may be one that we cannot see: of another root directory, as in a chroot,
    in the same network namespace. The kernel lets only one make the bridge.
    """
    options = ["type", "bridge", "forward_delay", "0", "stp_state", "0"]
    for offset in range(SLOTS):
        slot = (layout.preferred_slot + offset) % SLOTS
        if not _link_exists(bridge_name(slot)):
            with contextlib.suppress(ClusterError):
                _ip("link", "add", bridge_name(slot), *options)
                layout.slot_file.write_text(str(slot))
                return
    raise ClusterError(f"no bridge could be made: all of hks0 to hks{SLOTS - 1} are there already")


def make(layout: Layout) -> None:
    """Give the bridge the login side's address, and create every node's namespace."""
    _ip("addr", "add", f"{layout.login_address}/24", "dev", layout.bridge)
    _ip("link", "set", layout.bridge, "up")
    for node in layout.nodes:
        _make_node(layout, node)


def remove(layout: Layout) -> None:
    """Remove what exists of the network. Deleting a namespace deletes its veth pair."""
    for node in layout.nodes:
        if netns_path(node).exists():
            _ip("netns", "del", node.netns, check=False)
        if _link_exists(node.uplink):
            _ip("link", "del", node.uplink, check=False)
    if _link_exists(layout.bridge):
        _ip("link", "del", layout.bridge)
    _remove_empty_registry()


def cut(node: Node) -> None:
    """Cut the node's link: packets to and from it are lost, as with a pulled cable."""
    _ip("link", "set", node.uplink, "down")


def restore(node: Node) -> None:
    """Restore the node's link."""
    _ip("link", "set", node.uplink, "up")


def is_cut(node: Node) -> bool:
    return "UP" not in _ip("-br", "link", "show", node.uplink).partition("<")[2].split(">")[0]


def netns_path(node: Node) -> Path:
    return REGISTRY / node.netns


def _make_node(layout: Layout, node: Node) -> None:
    _ip("netns", "add", node.netns)
    inside = ["-n", node.netns]
    _ip("link", "add", node.uplink, "type", "veth", "peer", "name", "eth0", "netns", node.netns)
    _ip("link", "set", node.uplink, "master", layout.bridge, "up")
    _ip(*inside, "addr", "add", f"{node.address}/24", "dev", "eth0")
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "link", "set", "eth0", "up")


def _remove_empty_registry() -> None:
    """Unmount /run/netns, which ``ip netns add`` mounts, if no namespace is left."""
    mounted = f" {REGISTRY} " in Path("/proc/self/mountinfo").read_text()
    if mounted and not any(REGISTRY.iterdir()):
        run([program("umount"), str(REGISTRY)], check=False)
    with contextlib.suppress(OSError):
        REGISTRY.rmdir()


def _link_exists(name: str) -> bool:
    return _ip("link", "show", name, check=False) != ""


def _ip(*args: str, check: bool = True) -> str:
    return run([program("ip"), *args], check=check)
