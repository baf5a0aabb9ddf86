"""A run's name and where its directory is. Pure."""

from __future__ import annotations

import re
import time
from pathlib import PurePosixPath

from hpckit.errors import InputError
from hpckit.launch.request import Request
from hpckit.model.site import Site
from hpckit.model.site_files import expand_variables

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
#: Directories that every node has for itself, so that none would see the others' files.
_NODE_LOCAL = ("/tmp", "/var/tmp", "/dev/shm", "/run")


def run_name(bag: str, request: Request) -> str:
    """Return the run's name: the one asked for, else ``BAG-YYYYMMDD-HHMMSS`` in local time.

    Raises:
        InputError: the name asked for cannot be a directory's and a job's name.
    """
    if request.name:
        if not _NAME.fullmatch(request.name):
            raise InputError(
                f"run name {request.name!r} cannot be used",
                hint="Use letters, digits, '.', '_' and '-', a letter or digit first, at most 80.",
            )
        return request.name
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", bag).strip("-._")[:60] or "bag"
    stem = f"{slug}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(request.now))}"
    names = (stem, *(f"{stem}-{n}" for n in range(2, len(request.taken) + 3)))
    return next(name for name in names if name not in request.taken)


def run_root(site: Site, request: Request) -> str:
    """Return the absolute directory that holds the runs.

    That is the site's `run_root`, else ``$HPCKIT_RUNS``, else ``./hpckit-runs``.

    Raises:
        InputError: a variable in it is not set, it cannot stand in a script, or it is a
            node's own while the nodes are real.
    """
    if site.run_root:
        root = expand_variables(site.run_root, request.environ, "run_root")
    else:
        root = request.environ.get("HPCKIT_RUNS") or "hpckit-runs"
    path = str(PurePosixPath(request.cwd) / root)
    check_path(path, "the run directory")
    if site.scheduler == "slurm":
        refuse_node_local(path, site.node_tmp, "runs would be kept in")
    return path


def check_path(path: str, what: str) -> None:
    """Refuse a path that no sbatch directive can hold.

    Raises:
        InputError: it holds a control character, such as a newline, or a backslash.
    """
    bad = next((c for c in path if not c.isprintable() or c == "\\"), "")
    if bad:
        raise InputError(
            f"{what} {path!r} holds {bad!r}, which sbatch cannot be told",
            hint="Spaces, quotes and accents are fine; work in a directory without this one.",
        )


def refuse_node_local(path: str, node_tmp: str, what: str) -> None:
    """Refuse a directory that each node has for itself; `what` would be done there.

    Raises:
        InputError: it is one, such as /tmp.
    """
    parents = {str(parent) for parent in PurePosixPath(path).parents} | {path}
    local = next((d for d in (*_NODE_LOCAL, node_tmp) if d in parents), "")
    if local:
        raise InputError(
            f"{what} {path!r}, but {local} is each node's own",
            hint="Work in a directory that all nodes share; for runs, name one with run_root in "
            "a site file, or HPCKIT_RUNS.",
        )
