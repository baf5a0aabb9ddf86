"""A site: a cluster to run on, and what its Slurm needs in a script.

`docs/reference/sites.md` is the reference for people. As in bags, a key with a unit in its
name here has the plain name in the file. `hpckit.model.site_files` finds and merges the files.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from hpckit.model.fields import (
    DURATION,
    MEMORY,
    NATURAL,
    POSITIVE,
    STRINGS,
    SWITCH,
    TABLE,
    Count,
    CountOrNone,
    Frozen,
    Mebibytes,
    Seconds,
    SecondsOrNone,
    Strings,
)


def _long_option(value: str) -> str:
    """Accept only long options of one word, which make scripts easy to read and compare."""
    name = value.partition("=")[0]
    if not name.startswith("--") or len(name) < 3 or any(c.isspace() for c in name):
        raise ValueError(f'{value!r} is no long option of sbatch, such as "--mail-type=FAIL"')
    if "\n" in value:
        raise ValueError(f"{value!r} holds a line break")
    return value


Options = tuple[Annotated[str, AfterValidator(_long_option)], ...]
_OPTIONS = 'a list of sbatch\'s long options: ["--exclusive"]'


class Match(Frozen):
    """The rules by which a site is recognised.

    Of each kind that is given at least one entry must match; of `environment` all variables
    must. A site without any rule is never recognised.
    """

    hostnames: Strings = Field(default=(), description=f"{STRINGS}, host names; * and ? match")
    environment: dict[str, str] = Field(
        default={}, description='a table of variables and what they hold; * and ? match: HOST = "*"'
    )
    files: Strings = Field(default=(), description=f"{STRINGS}, paths that exist only there")


class Partition(Frozen):
    """A partition: the options that select it, and its limits. None means no known limit."""

    partition: str | None = Field(
        default=None,
        description='a string for --partition; "" for none',
    )
    account: str = Field(default="", description="a string for --account")
    qos: str = Field(default="", description="a string for --qos")
    constraint: str = Field(default="", description="a string for --constraint")
    max_walltime_s: Seconds | None = Field(default=None, alias="max_walltime", description=DURATION)
    max_nodes: Count | None = Field(default=None, description=f"{POSITIVE}, per job")
    max_submitted: Count | None = Field(default=None, description=f"{POSITIVE}: your jobs in it")
    cores: Count | None = Field(default=None, description=f"{POSITIVE}, per node")
    memory_mib: Mebibytes | None = Field(
        default=None, alias="memory", description=f"{MEMORY}, what jobs may use of a node"
    )
    gpus: CountOrNone = Field(default=0, description=f"{NATURAL}, per node")


class Directives(Frozen):
    """The changes to the directives that hpckit writes."""

    add: Options = Field(default=(), description=_OPTIONS)
    suppress: Options = Field(default=(), description='a list of option names: ["--mem"]')


class SiteEnvironment(Frozen):
    """The environment that a job sets up before it starts hpckit."""

    modules: Strings = Field(default=(), description=f"{STRINGS}, modules to load")
    setup: Strings = Field(default=(), description=f"{STRINGS}, shell lines of each job")


class Limits(Frozen):
    """Slurm's limits."""

    max_array_size: Count = Field(
        default=1001, description="a whole number: MaxArraySize of `scontrol show config`"
    )
    max_submitted: Count | None = Field(
        default=None, description=f"{POSITIVE}: jobs that a user may have"
    )


class EmulatedShape(Frozen):
    """The size of an emulated cluster of equal nodes."""

    nodes: Count = Field(default=4, description=POSITIVE)
    cpus: Count = Field(default=2, description=f"{POSITIVE}, per node")
    memory_mib: Mebibytes = Field(default=4000, alias="memory", description=f"{MEMORY}, per node")
    kill_wait_s: SecondsOrNone = Field(  # 30 s is Slurm's default
        default=30, alias="kill_wait", description=f'{DURATION}, or "0s"'
    )


class Site(Frozen):
    """A cluster to run on."""

    name: str = Field(description="the file's name")
    description: str = Field(default="", description="a string")
    extends: str = Field(default="", description="the name of a site to start from")
    match: Match = Field(default=Match(), description=f"{TABLE}: hostnames, environment, files")
    scheduler: Literal["slurm", "emulated"] = Field(
        default="slurm", description='"slurm" or "emulated"'
    )
    slurm_bin: str = Field(default="", description='the directory of sbatch; "" looks on PATH')
    default_partition: str = Field(default="", description="the name of one of the partitions")
    partitions: dict[str, Partition] = Field(default={}, description="a table of tables")
    account: str = Field(default="", description="a string for --account")
    qos: str = Field(default="", description="a string for --qos")
    constraint: str = Field(default="", description="a string for --constraint")
    require: tuple[Literal["account", "qos", "constraint", "partition"], ...] = Field(
        default=(), description='a list out of "account", "qos", "constraint", "partition"'
    )
    directives: Directives = Field(default=Directives(), description=f"{TABLE}: add, suppress")
    environment: SiteEnvironment = Field(
        default=SiteEnvironment(), description=f"{TABLE}: modules, setup"
    )
    python: str = Field(default="", description='the nodes\' Python; "" is this one')
    interface: str = Field(default="", description='a network interface, such as "ib0"')
    port_range: tuple[int, int] = Field(
        default=(0, 0), description="two port numbers, [first, last]; [0, 0] is any free port"
    )
    run_root: str = Field(
        default="", description="a directory that all nodes share; $VARIABLES are filled in"
    )
    node_tmp: str = Field(default="/tmp", description="a directory on each node itself")
    compute_nodes_submit: bool = Field(
        default=True, strict=True, description=f"{SWITCH}: may jobs call sbatch"
    )
    limits: Limits = Field(default=Limits(), description=f"{TABLE}: max_array_size, max_submitted")
    emulated: EmulatedShape = Field(
        default=EmulatedShape(), description=f"{TABLE}: nodes, cpus, memory, kill_wait"
    )

    @field_validator("port_range")
    @classmethod
    def _ports(cls, value: tuple[int, int]) -> tuple[int, int]:
        first, last = value
        if value != (0, 0) and not 1024 <= first <= last <= 65535:
            raise ValueError(f"[{first}, {last}] is no range within 1024 to 65535")
        return value

    def to_json(self) -> str:
        """Return the resolved site for the run directory; `from_json` reads it."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Site:
        """Read the text that `to_json` made.

        Raises:
            ValueError: the text is not a site.
        """
        return cls.model_validate_json(text)
