"""Fills in what a site's file does not say of its partitions, by asking Slurm once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hpckit.errors import SchedulerError
from hpckit.model.bag import Bag, Resources
from hpckit.model.site import Partition, Site
from hpckit.slurm.sinfo import NodeGroup, partitions


def complete_site(site: Site, bag: Bag) -> Site:
    """Return the site with what Slurm knows of partitions that the file leaves open.

    What the file says counts. An emulated site says all; where Slurm does not answer, the
    site is returned as it is, and sbatch decides.
    """
    if site.scheduler != "slurm":
        return site
    try:
        groups = partitions(slurm_bin=site.slurm_bin)
    except SchedulerError:
        return site
    return with_partitions(site, groups, bag.task.resources)


def with_partitions(site: Site, groups: Sequence[NodeGroup], task: Resources) -> Site:
    """Return the site with the gaps of its partitions filled from sinfo's groups. Pure.

    A site that lists no partitions gets all that are up. Where a partition's nodes differ,
    the commonest kind counts that can hold a task.
    """
    names = dict.fromkeys(group.partition for group in groups if group.up)
    known = site.partitions or {name: Partition() for name in names}
    filled = {}
    for name, entry in known.items():
        own = [group for group in groups if group.partition == (entry.partition or name)]
        filled[name] = _filled(entry, own, task) if own else entry
    default = site.default_partition
    if not site.partitions:
        default = default or next((g.partition for g in groups if g.default and g.up), "")
    return site.model_copy(update={"partitions": filled, "default_partition": default})


def _filled(entry: Partition, groups: Sequence[NodeGroup], task: Resources) -> Partition:
    kind = _commonest([group for group in groups if _holds(group, task)] or groups)
    like = [g for g in groups if (g.cpus, g.memory_mib, g.gpus) == kind]
    found = {
        "cores": kind[0] or None,
        "memory_mib": kind[1] or None,
        "max_nodes": sum(group.nodes for group in like) or None,
        "max_walltime_s": groups[0].max_walltime_s,
    }
    update = {key: value for key, value in found.items() if getattr(entry, key) is None}
    if not entry.gpus and entry.cores is None:
        update["gpus"] = kind[2]
    return entry.model_copy(update=update)


def _holds(group: NodeGroup, task: Resources) -> bool:
    return (
        group.cpus >= task.cores and group.memory_mib > task.memory_mib and group.gpus >= task.gpus
    )


def _commonest(groups: Iterable[NodeGroup]) -> tuple[int, int, int]:
    count: dict[tuple[int, int, int], int] = {}
    for group in groups:
        kind = (group.cpus, group.memory_mib, group.gpus)
        count[kind] = count.get(kind, 0) + group.nodes
    return max(count, key=lambda kind: (count[kind], kind))
