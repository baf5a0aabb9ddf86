"""Which partition, account, QOS and constraint the jobs name. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hpckit.errors import InputError, did_you_mean
from hpckit.launch.request import Request
from hpckit.model.site import Partition, Site


@dataclass(frozen=True, kw_only=True)
class PartitionChoice:
    """Where in the cluster the jobs go; ``""`` leaves a thing to Slurm."""

    limits: Partition  # what the partition allows
    partition: str
    account: str
    qos: str
    constraint: str

    @property
    def title(self) -> str:
        """The partition, as messages call it."""
        return f"partition {self.partition!r}" if self.partition else "the default partition"


@dataclass(frozen=True, kw_only=True)
class PartitionChoices:
    """Where the head goes, and where its workers: often, but not always, the same.

    Capacity that is taken back is cheap for workers, and a nuisance for a head.
    """

    head: PartitionChoice
    workers: PartitionChoice


def choose_partitions(site: Site, request: Request) -> PartitionChoices:
    """Return where the jobs go: flags first, then the partition's entry, then the site's.

    Raises:
        InputError: the site does not know a partition, or demands something that was not given.
    """
    name = request.partition or _queue_of_qos(site, request.qos)
    head = _choose_partition(site, request, name, request.qos)
    if not request.worker_partition:
        return PartitionChoices(head=head, workers=head)
    name = request.worker_partition
    own_qos = site.partitions[name].qos if name in site.partitions else ""
    return PartitionChoices(
        head=head, workers=_choose_partition(site, request, name, own_qos or request.qos)
    )


def _choose_partition(site: Site, request: Request, name: str, qos: str) -> PartitionChoice:
    name = name or site.default_partition
    if not name and len(site.partitions) == 1:
        name = next(iter(site.partitions))
    if name in site.partitions:
        limits = site.partitions[name]
    elif name and site.partitions:
        known = ", ".join(site.partitions)
        raise InputError(
            f"partition {name!r} is not one of site {site.name!r}; known: {known}."
            + did_you_mean(name, site.partitions),
            hint=f"To ask Slurm for it all the same: --sbatch --partition={name}"
            if name != request.worker_partition
            else "Add [partitions.NAME] to a site file of your own: docs/reference/sites.md.",
        )
    else:
        limits = Partition()
    choice = PartitionChoice(
        limits=limits,
        partition=name if limits.partition is None else limits.partition,
        account=request.account or limits.account or site.account,
        qos=qos or limits.qos or site.qos,
        constraint=limits.constraint or site.constraint,
    )
    _check_required(site, request, choice)
    return choice


def _queue_of_qos(site: Site, qos: str) -> str:
    """Return the queue that a QOS leads to, where queues are QOSs: its limits are the job's."""
    found = [name for name, entry in site.partitions.items() if qos and entry.qos == qos]
    return found[0] if len(found) == 1 else ""


def _check_required(site: Site, request: Request, choice: PartitionChoice) -> None:
    given = {option.partition("=")[0].removeprefix("--") for option in request.sbatch}
    for what in site.require:
        if not getattr(choice, what) and what not in given:
            flag = "--sbatch --constraint=NAME" if what == "constraint" else f"--{what} NAME"
            raise InputError(
                f"site {site.name!r} demands {_a(what)} for every job, and none was given",
                hint=f"Give {flag}, or set {what} in a site file of your own.",
            )


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
