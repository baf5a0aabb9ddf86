"""The addresses by which the other nodes of the run can reach this node."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
from typing import Final

from hpckit.common.slurm_env import node_name
from hpckit.errors import EngineError, SchedulerError
from hpckit.model.plan import Plan
from hpckit.slurm.command import run_slurm

_SIOCGIFADDR: Final = 0x8915  # <linux/sockios.h>
_SCONTROL_TIMEOUT_S: Final = 10.0
#: An address for documentation (RFC 5737): nothing is sent to it, only its route is asked for.
_OUTSIDE: Final = ("192.0.2.1", 9)


def candidate_addresses(plan: Plan) -> list[str]:
    """Return this node's IPv4 addresses, the best first.

    In an emulated job they are what the node's name resolves to, in 127.0.0.0/8. On a real
    cluster loopback addresses are left out, and the order is: the site's `interface`, what the
    node's name resolves to, Slurm's NodeAddr, the address of the route out of this node.

    Raises:
        EngineError: there is none, or the site's interface has none.
    """
    name = node_name(os.environ)
    if plan.scheduler == "emulated":
        return resolve(name) or resolve(socket.gethostname()) or ["127.0.0.1"]
    found: list[str] = []
    if plan.interface:
        found.append(interface_address(plan.interface))
    found += resolve(name) + resolve(socket.gethostname())
    if os.environ.get("SLURM_JOB_ID"):
        found += resolve(slurm_node_address(name, plan.slurm_bin))
    found += outward_address()
    usable = [address for address in dict.fromkeys(found) if not is_loopback(address)]
    if not usable:
        raise EngineError(
            f"node {name} has no address that other nodes can reach (found: "
            f"{', '.join(dict.fromkeys(found)) or 'none'})",
            hint='Name the network interface in the site file: interface = "ib0".',
        )
    return usable


def own_address(plan: Plan, local_address: str) -> str:
    """Return the address by which the head's network reaches this node.

    On a real cluster whose site names no interface, it is `local_address`: this end of the
    connection to the head. Emulated nodes share a machine; their address follows from their name.
    """
    if plan.scheduler == "emulated" or plan.interface:
        return candidate_addresses(plan)[0]
    return local_address


def is_loopback(address: str) -> bool:
    """Return True if packets to this IPv4 address do not leave the machine."""
    return address.startswith("127.")


def resolve(name: str) -> list[str]:
    """Return the IPv4 addresses of a name; an empty list if it has none."""
    if not name:
        return []
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def interface_address(interface: str) -> str:
    """Return the IPv4 address of a network interface.

    Raises:
        EngineError: there is no such interface, or it has no IPv4 address.
    """
    request = struct.pack("256s", interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
        except OSError as error:
            there = ", ".join(name for _, name in socket.if_nameindex())
            raise EngineError(
                f"network interface {interface!r} has no IPv4 address here ({error.strerror}); "
                f"interfaces: {there}",
                hint="Correct the interface in the site file.",
            ) from error
    return socket.inet_ntoa(answer[20:24])


def slurm_node_address(node: str, slurm_bin: str) -> str:
    """Return the node's NodeAddr, a name or an address; ``""`` if Slurm does not tell it."""
    args = ["show", "node", node, "--oneliner"]
    try:
        shown = run_slurm("scontrol", args, slurm_bin=slurm_bin, timeout_s=_SCONTROL_TIMEOUT_S)
    except SchedulerError:
        return ""
    match = re.search(r"\bNodeAddr=(\S+)", shown)
    return match[1] if match else ""


def outward_address() -> list[str]:
    """Return the address of the interface through which packets leave; empty without a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_OUTSIDE)  # of a datagram socket: nothing is sent
            return [str(probe.getsockname()[0])]
        except OSError:
            return []
