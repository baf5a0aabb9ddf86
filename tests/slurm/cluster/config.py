"""The text of every configuration file of the cluster. Pure except `write_all`."""

from __future__ import annotations

import secrets
import textwrap
from pathlib import Path

from tests.slurm.cluster.layout import (
    CLUSTER_NAME,
    CPUS_PER_NODE,
    GPUS_PER_NODE,
    MEMORY_MB_PER_NODE,
    Layout,
)
from tests.slurm.cluster.prerequisites import program

CLIENTS = (
    "sbatch srun salloc sattach squeue scancel sacct scontrol sinfo sacctmgr sstat sprio sdiag"
)


def slurm_conf(layout: Layout, *, memory_enforced: bool) -> str:
    """Return slurm.conf (https://slurm.schedmd.com/archive/slurm-22.05.8/slurm.conf.html)."""
    return "\n".join(
        [
            _controller_part(layout),
            _accounting_part(layout),
            _scheduling_part(),
            _node_part(layout, memory_enforced=memory_enforced),
            _partition_part(),
        ]
    )


def _controller_part(layout: Layout) -> str:
    return _dedent(f"""
        ClusterName={CLUSTER_NAME}
        SlurmctldHost={layout.login_name}({layout.login_address})
        SlurmctldPort={layout.controller_port}
        SlurmUser=root
        SlurmdUser=root
        StateSaveLocation={layout.spool("slurmctld")}
        SlurmctldPidFile={layout.run_dir}/slurmctld.pid
        SlurmctldLogFile={layout.log_dir}/slurmctld.log
        SlurmctldDebug=info
        SlurmctldTimeout=60
        AuthType=auth/munge
        CredType=cred/munge
        # A requeued job waits until its old credential has expired: 120 s by default.
        AuthInfo=socket={layout.munge_socket},cred_expire=10
        MpiDefault=none
        ReturnToService=2
        MailProg=/bin/true
        MaxArraySize=1001
        MinJobAge=300
        """)


def _accounting_part(layout: Layout) -> str:
    return _dedent(f"""
        AccountingStorageType=accounting_storage/slurmdbd
        AccountingStorageHost={layout.login_address}
        AccountingStoragePort={layout.database_port}
        AccountingStoragePass={layout.munge_socket}
        AccountingStorageEnforce=associations,limits
        AccountingStoreFlags=job_script,job_env
        AccountingStorageTRES=gres/gpu
        JobAcctGatherType=jobacct_gather/linux
        JobAcctGatherFrequency=task=2
        """)


def _scheduling_part() -> str:
    return _dedent("""
        SchedulerType=sched/backfill
        SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=10000,bf_interval=1,bf_continue
        SelectType=select/cons_tres
        SelectTypeParameters=CR_CPU_Memory
        DefMemPerCPU=2000
        PriorityType=priority/basic
        PreemptType=preempt/partition_prio
        PreemptMode=REQUEUE
        JobRequeue=1
        KillWait=5
        InactiveLimit=0
        SlurmdTimeout=15
        UnkillableStepTimeout=30
        """)


def _node_part(layout: Layout, *, memory_enforced: bool) -> str:
    task = (
        "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup"
        if memory_enforced
        else "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none"
    )
    node_lines = [
        f"NodeName={node.name} NodeAddr={node.address} Port={layout.node_port}"
        f" CPUs={CPUS_PER_NODE} RealMemory={MEMORY_MB_PER_NODE} Gres=gpu:{GPUS_PER_NODE}"
        f" Feature=common,{'left' if i < 2 else 'right'} State=UNKNOWN"
        for i, node in enumerate(layout.nodes)
    ]
    head = _dedent(f"""
        SlurmdPort={layout.node_port}
        SlurmdSpoolDir={layout.spool("slurmd")}.%n
        SlurmdPidFile={layout.run_dir}/slurmd.%n.pid
        SlurmdLogFile={layout.log_dir}/slurmd.%n.log
        SlurmdDebug=info
        SlurmdParameters=config_overrides
        GresTypes=gpu
        """)
    return "\n".join([head.rstrip(), task, *node_lines, ""])


def _partition_part() -> str:
    day, hour = "1-00:00:00", "01:00:00"
    return "".join(
        f"PartitionName={name} Nodes=ALL MaxTime={longest} DefaultTime={usual}"
        f" PriorityTier={tier} {rest}\n"
        for name, longest, usual, tier, rest in (
            ("debug", day, hour, 5, "PreemptMode=OFF Default=YES"),
            ("short", "00:02:00", "00:01:00", 5, "PreemptMode=OFF"),
            ("low", day, hour, 1, "PreemptMode=REQUEUE GraceTime=3"),
            ("high", day, hour, 10, "PreemptMode=OFF"),
        )
    )


def slurmdbd_conf(layout: Layout) -> str:
    """Return slurmdbd.conf: authentication by this cluster's munge, its database by a socket."""
    return _dedent(f"""
        AuthType=auth/munge
        AuthInfo=socket={layout.munge_socket}
        DbdHost=localhost
        DbdAddr=localhost
        DbdPort={layout.database_port}
        SlurmUser=root
        PidFile={layout.run_dir}/slurmdbd.pid
        LogFile={layout.log_dir}/slurmdbd.log
        DebugLevel=info
        StorageType=accounting_storage/mysql
        StorageHost=localhost
        StorageUser=root
        StorageLoc=hpckit_slurm
        """)


def cgroup_conf() -> str:
    return _dedent("""
        CgroupPlugin=cgroup/v1
        CgroupAutomount=no
        ConstrainRAMSpace=yes
        ConstrainCores=no
        ConstrainDevices=no
        """)


def gres_conf(layout: Layout) -> str:
    """Return gres.conf: counted GPUs need a File, so it names terminals that nothing uses."""
    return "".join(f"NodeName={n.name} Name=gpu File=/dev/tty[0-1]\n" for n in layout.nodes)


def hosts(layout: Layout) -> str:
    lines = [
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost",
        f"{layout.login_address} {layout.login_name}",
        *(f"{node.address} {node.name}" for node in layout.nodes),
    ]
    return "\n".join(lines) + "\n"


def node_script(layout: Layout) -> str:
    """Return the script of a node's process 1: it mounts the node's own files, then reaps."""
    return _dedent(f"""
        #!/bin/bash
        # $1: the node's name. Runs in the node's own namespaces, as their process 1.
        set -eu
        hostname "$1"
        mount -t tmpfs -o mode=1777 tmpfs /tmp
        mount -t tmpfs -o mode=1777 tmpfs /dev/shm
        mount --bind {layout.hosts} /etc/hosts
        mount --bind {layout.etc} /etc/slurm
        # -b: this start is a boot of the node. The kernel's own boot time would hide it.
        {program("slurmd")} -D -b -f {layout.slurm_conf} -N "$1" &
        trap 'kill -TERM $!' TERM
        wait $! || wait $!
        """)


def wrapper(layout: Layout, client: str) -> str:
    return _dedent(f"""
        #!/bin/sh
        SLURM_CONF={layout.slurm_conf}
        export SLURM_CONF
        exec {program(client)} "$@"
        """)


def write_all(layout: Layout, *, memory_enforced: bool) -> None:
    """Create every directory and file. Keys have mode 0400; only this user can write."""
    directories = [layout.etc, layout.bin_dir, layout.log_dir, layout.run_dir, layout.shared_dir]
    spools = [layout.spool("slurmctld"), *(layout.spool(f"slurmd.{n.name}") for n in layout.nodes)]
    for directory in (layout.prefix, *directories, *spools):
        directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    layout.shared_dir.chmod(0o1777)
    etc = layout.etc
    _write(layout.slurm_conf, slurm_conf(layout, memory_enforced=memory_enforced))
    _write(etc / "slurmdbd.conf", slurmdbd_conf(layout), mode=0o600)
    _write(etc / "cgroup.conf", cgroup_conf())
    _write(etc / "gres.conf", gres_conf(layout))
    _write(layout.hosts, hosts(layout))
    _write(layout.node_script, node_script(layout), mode=0o755)
    _write_key(etc / "munge.key")
    for client in CLIENTS.split():
        _write(layout.bin_dir / client, wrapper(layout, client), mode=0o755)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text)
    path.chmod(mode)


def _write_key(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(secrets.token_bytes(1024))
    path.chmod(0o400)


def _dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")
