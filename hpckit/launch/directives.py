"""The ``#SBATCH`` directives of a script, as a list in the order in which they are printed.

Pure. Each is one word, ``--key=value`` or ``--key``; rendering quotes it.
Source: https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hpckit.errors import InputError
from hpckit.launch.partition import PartitionChoice
from hpckit.model.site import Site

#: Options of which one excludes or undoes another: a later one replaces all of its group.
_GROUPS: Final = (
    frozenset({"--mem", "--mem-per-cpu", "--mem-per-gpu"}),
    frozenset({"--requeue", "--no-requeue"}),
    frozenset({"--gres", "--gpus", "--gpus-per-node"}),
)
_GPUS: Final = "task.resources.gpus in the bag; for another gres, directives.add in a site file"
#: Options that the run itself depends on or has to know of, and what to use instead.
_OURS: Final = {
    "--time": "--walltime TIME",
    "--time-min": "--walltime TIME",
    "--mem": "--memory SIZE",
    "--mem-per-cpu": "--memory SIZE",
    "--mem-per-gpu": "--memory SIZE",
    "--gres": _GPUS,
    "--gpus": _GPUS,
    "--gpus-per-node": _GPUS,
    "--gpus-per-socket": _GPUS,
    "--gpus-per-task": _GPUS,
    "--nodes": "--nodes N (without --sbatch)",
    "--ntasks": "--nodes N",
    "--ntasks-per-node": "--nodes N",
    "--cpus-per-task": "--cores N",
    "--array": "--nodes N",
    "--output": "`hpckit logs`: outputs are kept in the run directory",
    "--error": "`hpckit logs`: outputs are kept in the run directory",
    "--open-mode": "no other; a requeued job appends to its log",
    "--signal": "no other; the head is warned in time",
    "--chdir": "task.cwd in the bag",
    "--job-name": "--name NAME",
    "--wrap": "no other; hpckit writes the script",
    "--parsable": "no other; hpckit reads the job's id",
    "--test-only": "--dry-run",
    "--wait": "--wait (without --sbatch)",
    "--export": "environment.env in the bag",
    "--clusters": "no other; submit where the cluster is the default",
    "--cluster": "no other; submit where the cluster is the default",
    "--quiet": "no other; hpckit reads the job's id",
    "--help": "`sbatch --help` itself",
    "--usage": "`sbatch --usage` itself",
    "--version": "`sbatch --version` itself",
}
#: Of these, what a site may say in another way; without the rest a run's jobs would not be what
#: its plan and its logs say they are.
_A_SITE_MAY: Final = frozenset(
    {"--mem", "--mem-per-cpu", "--mem-per-gpu", "--gres", "--gpus", "--gpus-per-node",
     "--gpus-per-socket", "--gpus-per-task", "--cpus-per-task", "--export"}
)  # fmt: skip
_FIXED: Final = frozenset(_OURS) - _A_SITE_MAY


def literal(path: str) -> str:
    """Return a path for ``--output``, where ``%`` begins a pattern and ``%%`` is a percent sign."""
    return path.replace("%", "%%")


def partition_directives(choice: PartitionChoice) -> list[str]:
    """Return the directives that say where a job goes."""
    named = (
        ("--partition", choice.partition),
        ("--account", choice.account),
        ("--qos", choice.qos),
        ("--constraint", choice.constraint),
    )
    return [f"{key}={value}" for key, value in named if value]


def adapt(directives: Iterable[str], site: Site, user: Sequence[str]) -> tuple[str, ...]:
    """Return the directives as site and user want them.

    The site's suppressed ones go, what it adds and then what the user gave replaces those of
    the same key in their place, and the rest is appended.
    """
    suppressed = set(site.directives.suppress)
    adapted = [line for line in directives if key_of(line) not in suppressed]
    for extra in (*site.directives.add, *user):
        adapted = _replaced(adapted, extra)
    return tuple(adapted)


def check_user_directives(user: Sequence[str]) -> None:
    """Refuse what is no long option in one line, or would break the run.

    Raises:
        InputError: one of them is so, and which.
    """
    for line in user:
        key = key_of(line)
        if not key.startswith("--") or len(key) < 3 or not line.isprintable() or " " in key:
            raise InputError(
                f"--sbatch {line!r} is not a long option of sbatch",
                hint="Write it as one word, such as --sbatch=--mail-type=FAIL",
            )
        ours = key if key in _OURS else next((k for k in _OURS if k.startswith(key)), "")
        if ours:  # sbatch takes an option's beginning for it
            raise InputError(
                f"--sbatch {line!r}: hpckit sets {ours} itself", hint=f"Use {_OURS[ours]}."
            )


def check_site_directives(site: Site) -> None:
    """Refuse what a site must not add; memory, GPUs and CPUs may be another's way of saying it.

    Raises:
        InputError: one of them is so, and which.
    """
    found = next((line for line in site.directives.add if key_of(line) in _FIXED), "")
    if found:
        raise InputError(
            f"site {site.name!r}: directives.add holds {found!r}, but hpckit sets {key_of(found)} "
            "itself",
            hint="Take it out; limits of a partition are max_walltime, max_nodes and the like.",
        )


def key_of(directive: str) -> str:
    """Return the option's name: ``--mem`` of ``--mem=4000M``."""
    return directive.partition("=")[0]


def _replaced(directives: list[str], extra: str) -> list[str]:
    key = key_of(extra)
    same = next((group for group in _GROUPS if key in group), frozenset({key}))
    first = next((i for i, line in enumerate(directives) if key_of(line) in same), None)
    if first is None:
        return [*directives, extra]
    kept = [line for line in directives if key_of(line) not in same]
    return [*kept[:first], extra, *kept[first:]]
