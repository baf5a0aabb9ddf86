"""The daemons of the login side: munged, mariadbd, slurmdbd, slurmctld."""

from __future__ import annotations

import socket

from tests.slurm.cluster.layout import ACCOUNT, CLUSTER_NAME, LIMITED_ACCOUNT, USER, Layout
from tests.slurm.cluster.prerequisites import program
from tests.slurm.cluster.shell import run, wait_until
from tests.slurm.cluster.started_processes import StartedProcesses


def start_munge(layout: Layout, started_processes: StartedProcesses) -> None:
    run_dir, log = layout.run_dir, layout.log_dir / "munged.log"
    argv = [
        program("munged"),
        "--foreground",
        f"--socket={layout.munge_socket}",
        f"--key-file={layout.etc / 'munge.key'}",
        f"--log-file={log}",
        f"--pid-file={run_dir / 'munged.pid'}",
        f"--seed-file={run_dir / 'munged.seed'}",
    ]
    started_processes.start("munged", argv, log=log)


def start_database(layout: Layout, started_processes: StartedProcesses) -> None:
    """Start MariaDB with a database of its own, reachable by its socket alone."""
    data, log = layout.state_dir / "mariadb", layout.log_dir / "mariadb.log"
    if not data.exists():
        run(
            [
                program("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={data}",
                "--user=root",
                "--skip-test-db",
                "--auth-root-authentication-method=socket",
                "--innodb-log-file-size=16M",
            ]
        )
    argv = [
        program("mariadbd"),
        "--no-defaults",
        f"--datadir={data}",
        f"--socket={layout.database_socket}",
        f"--pid-file={layout.run_dir / 'mariadb.pid'}",
        "--skip-networking",
        "--user=root",
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=16M",
        "--innodb-lock-wait-timeout=900",
        "--innodb-flush-log-at-trx-commit=0",  # a test's accounting need not survive a crash
    ]
    started_processes.start("mariadbd", argv, log=log)


def start_slurmdbd(layout: Layout, started_processes: StartedProcesses) -> None:
    wait_until(
        "MariaDB's socket",
        layout.database_socket.is_socket,
        timeout_s=30,
        log=layout.log_dir / "mariadb.log",
    )
    log = layout.log_dir / "slurmdbd.out"
    env = {"SLURM_CONF": str(layout.slurm_conf), "MYSQL_UNIX_PORT": str(layout.database_socket)}
    started_processes.start("slurmdbd", [program("slurmdbd"), "-D"], log=log, env=env)
    _wait_for_port(layout, "slurmdbd", layout.database_port)


def start_slurmctld(layout: Layout, started_processes: StartedProcesses) -> None:
    argv = [program("slurmctld"), "-D", "-f", str(layout.slurm_conf)]
    started_processes.start("slurmctld", argv, log=layout.log_dir / "slurmctld.out")
    _wait_for_port(layout, "slurmctld", layout.controller_port)


def add_accounts(layout: Layout) -> None:
    """Add cluster, accounts and user. slurmctld must find them when it starts."""
    sacctmgr = str(layout.bin_dir / "sacctmgr")
    for words in (
        ["add", "cluster", CLUSTER_NAME],
        ["add", "account", ACCOUNT, "Description=tests", "Organization=tests"],
        ["add", "account", LIMITED_ACCOUNT, "Description=tests", "Organization=tests"],
        ["add", "user", USER, f"Account={ACCOUNT}", f"DefaultAccount={ACCOUNT}"],
        ["add", "user", USER, f"Account={LIMITED_ACCOUNT}", "MaxSubmitJobs=2"],
    ):
        run([sacctmgr, "-i", *words])


def _wait_for_port(layout: Layout, name: str, port: int) -> None:
    def answers() -> bool:
        try:
            socket.create_connection((layout.login_address, port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(f"{name} on port {port}", answers, timeout_s=30, log=layout.log_dir / f"{name}.log")
