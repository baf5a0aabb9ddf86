"""The emulated cluster of a site: where its commands are, and bringing it up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpckit.model.site import Site

if TYPE_CHECKING:
    from hpckit.emulator.config import ClusterConfig

_OWN_PARTITIONS = frozenset({"main", "spot"})  # those that an emulated cluster has by default


def emulated_bin(site: Site) -> str:
    """Return where the commands of the site's cluster are, or will be; starts nothing."""
    from hpckit.emulator import paths

    return str(Path(paths.state_dir(site.name)) / "bin")


def bring_up(site: Site) -> None:
    """Start the site's cluster, or find it running.

    Raises:
        InputError: it runs with another shape.
        SchedulerError: it does not start.
    """
    from hpckit.emulator import control

    control.up(cluster_config(site), name=site.name)


def cluster_config(site: Site) -> ClusterConfig:
    """Return the emulated cluster that a site describes. Pure."""
    from hpckit.emulator.config import ClusterConfig, PartitionConfig

    partitions: tuple[PartitionConfig, ...] = ()
    if not _OWN_PARTITIONS.issuperset(site.partitions):
        partitions = tuple(
            PartitionConfig(
                name=entry.partition or name,
                default=name == (site.default_partition or next(iter(site.partitions))),
                max_time_min=entry.max_walltime_s // 60 if entry.max_walltime_s else -1,
            )
            for name, entry in site.partitions.items()
        )
    return ClusterConfig(
        name=site.name,
        nodes=site.emulated.nodes,
        cpus=site.emulated.cpus,
        memory_mib=site.emulated.memory_mib,
        partitions=partitions,
        max_array_size=site.limits.max_array_size,
        kill_wait_s=float(site.emulated.kill_wait_s),
    )
