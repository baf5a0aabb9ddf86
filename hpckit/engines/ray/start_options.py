"""The ``ray start`` command line and environment that the head and the workers share.

The commands: https://docs.ray.io/en/latest/cluster/cli.html#ray-start .
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import socket
import sys
from pathlib import Path
from typing import Final

from hpckit.assets import how_to_install
from hpckit.common.processes import python_module
from hpckit.engines.ray import TOKEN_FILE
from hpckit.errors import EngineError
from hpckit.run.rundir import RunDir

#: Ray demands 75 MiB at least; only bundles and results go through it.
OBJECT_STORE_BYTES: Final = 80 * 2**20
#: Sockets in it have to fit into 107 bytes with what Ray adds: 50 less the digits of a PID.
TEMPORARY_BYTES: Final = 43
#: What a node listens at besides its workers' ports.
_PORT_OPTIONS: Final = (
    "node-manager-port", "object-manager-port", "metrics-export-port",
    "dashboard-agent-grpc-port", "dashboard-agent-listen-port", "runtime-env-agent-port",
)  # fmt: skip
SMALLEST_RANGE: Final = 40


def environment(run_dir: RunDir) -> dict[str, str]:
    """Return the variables that every process of the run's Ray is started with.

    The token itself is in none of them, only the path of its file.
    """
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(run_dir.secret(TOKEN_FILE)),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_worker_niceness": "0",
        "RAY_LOG_TO_DRIVER": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_memory_monitor_refresh_ms": "0",  # it watches the host; the runner watches tasks
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "3000",
        "RAY_health_check_failure_threshold": "5",
        "RAY_raylet_start_wait_time_s": "60",
        "RAY_worker_register_timeout_seconds": "120",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",  # then a raylet without a head ends
        "RAY_task_events_report_interval_ms": "0",  # nobody reads them: no dashboard
        "RAY_enable_metrics_collection": "0",
    }


def is_installed() -> bool:
    """Return True if this interpreter has Ray."""
    return importlib.util.find_spec("ray") is not None


def command() -> list[str]:
    """Return the argv of ``ray``, run by this interpreter.

    Raises:
        EngineError: Ray is not installed in it.
    """
    if not is_installed():
        raise EngineError(
            f"Ray is not installed for {sys.executable}",
            hint=f"Install it there: {how_to_install('ray')}.",
        )
    return python_module("ray.scripts.scripts")


def common_arguments(directory: Path, own: str) -> list[str]:
    """Return the options that every node of a run is started with.

    The log monitor feeds a driver that does not listen; without it a node is up in half the
    time (ran with 2.60 on two busy cores: 4.5 s, with it 9.6 s).
    """
    return [
        f"--node-ip-address={own}",
        f"--temp-dir={directory}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        "--include-log-monitor=False",
        "--disable-usage-stats",
        "--block",
    ]


def port_arguments(ports: tuple[int, int], *, gcs: bool = False) -> list[str]:
    """Return the options that keep a node's listening ports within a site's range.

    Args:
        ports: inclusive; (0, 0) leaves the choice to Ray.
        gcs: whether it is the head, which listens for all.

    Raises:
        EngineError: the range is too small, or taken.
    """
    if not ports[1]:
        return ["--port=0"] if gcs else []
    services = service_ports(ports)
    names = (*_PORT_OPTIONS, *(("port",) if gcs else ()))
    chosen = free_ports(services, len(names))
    return [
        *(f"--{name}={port}" for name, port in zip(names, chosen, strict=True)),
        f"--min-worker-port={services[1] + 1}",
        f"--max-worker-port={ports[1]}",
    ]


def service_ports(ports: tuple[int, int]) -> tuple[int, int]:
    """Return the first quarter of a site's range: Ray refuses ports that may be its workers'.

    Raises:
        EngineError: the range is too small.
    """
    count = ports[1] - ports[0] + 1
    if count < SMALLEST_RANGE:
        raise EngineError(
            f"Ray needs {SMALLEST_RANGE} ports or more; the site's range "
            f"{ports[0]}-{ports[1]} has {count}",
            hint="Widen the site's port range.",
        )
    return ports[0], ports[0] + count // 4 - 1


def free_ports(ports: tuple[int, int], count: int) -> list[int]:
    """Return ports of a range that are free now, found in random order.

    Raises:
        EngineError: there are not so many.
    """
    found: list[int] = []
    for port in random.sample(range(ports[0], ports[1] + 1), ports[1] - ports[0] + 1):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            found.append(port)
            if len(found) == count:
                return found
    raise EngineError(
        f"only {len(found)} free ports in {ports[0]}-{ports[1]} on this node, {count} are needed",
        hint="Widen the site's port range.",
    )


def check_temporary(directory: Path) -> None:
    """Refuse a directory whose path is too long for Ray's sockets.

    Raises:
        EngineError: it is.
    """
    if len(os.fsencode(directory)) > TEMPORARY_BYTES:
        raise EngineError(
            f"Ray's directory would be {directory}; its path may have {TEMPORARY_BYTES} bytes",
            hint="Set the site's node_tmp to a shorter node-local directory, such as /tmp.",
        )
