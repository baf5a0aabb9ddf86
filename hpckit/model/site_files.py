"""Find, merge and recognise sites.

A site is a file ``NAME.toml``. Three files are merged key by key, a later one overriding an
earlier one: the one that hpckit brings, ``./hpckit-sites/NAME.toml`` of the project and
``~/.config/hpckit/sites/NAME.toml`` of the user. The site that they ``extends`` is overridden by
all of them. Flags override the result, but not here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from hpckit.assets import asset_dir
from hpckit.errors import InputError, did_you_mean
from hpckit.model.paths import is_file, path_exists
from hpckit.model.site import Match, Partition, Site
from hpckit.model.toml_file import Document, Key, read_document
from hpckit.model.validate import dotted, error_of, validated

__all__ = [
    "Partition",
    "ResolvedSite",
    "Site",
    "expand_variables",
    "known_sites",
    "load_site",
    "load_site_file",
    "recognise",
    "site_dirs",
]

_NOT_INHERITED = ("match", "description")  # they distinguish one site from another


@dataclass(frozen=True)
class ResolvedSite:
    """A site, and the ``file:line`` of each of its values, by dotted key."""

    site: Site
    origins: dict[str, str] = field(default_factory=dict)


def site_dirs() -> list[Path]:
    """Return the directories of site files; later ones override earlier ones."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return [asset_dir("site_configs"), Path("hpckit-sites"), Path(config) / "hpckit" / "sites"]


def known_sites() -> list[str]:
    """Return the names of all sites, sorted."""
    return sorted({path.stem for folder in site_dirs() for path in folder.glob("*.toml")})


def load_site(name: str) -> ResolvedSite:
    """Return the site of that name, merged from all its files.

    Raises:
        InputError: there is no such site, or one of its files has a fault.
    """
    return _resolved(_document(name, ()), name)


def load_site_file(path: Path) -> ResolvedSite:
    """Return the site of one file and of what it extends, for ``hpckit site check``.

    Raises:
        InputError: there is no such file, or it has a fault.
    """
    document = read_document(path, "site")
    return _resolved(_over_parent(document, (path.stem,)), path.stem)


def recognise(
    environ: Mapping[str, str], hostname: str, slurm_reachable: Callable[[], bool]
) -> tuple[str, str]:
    """Return the name of this machine's site, and the reason for the choice.

    It is the site whose `match` fits; else ``slurm`` if a Slurm is reachable; else ``local``.

    Raises:
        InputError: several sites match.
        SchedulerError: `slurm_reachable` cannot tell.
    """
    fitting, faulty = {}, ""
    for name in known_sites():
        try:
            reason = _fit(load_site(name).site.match, environ, hostname)
        except InputError as error:  # a fault in one site must not stop work on another
            faulty = f"; site {name!r} was left out: {error.message}"
            continue
        if reason:
            fitting[name] = reason
    if len(fitting) > 1:
        raise InputError(
            f"several sites fit this machine: {', '.join(fitting)}",
            hint=f"Choose with --site, for example --site {next(iter(fitting))}.",
        )
    for name, reason in fitting.items():
        return name, reason + faulty
    if slurm_reachable():
        return "slurm", "no site's match fits this machine, and a Slurm answers" + faulty
    return "local", "no site's match fits this machine, and no Slurm answers" + faulty


def expand_variables(text: str, environ: Mapping[str, str], key: str = "") -> str:
    """Expand ``$NAME``, ``${NAME}`` and a leading ``~`` in a path; `key` is for the message.

    Raises:
        InputError: a variable is not set, or is empty.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if not environ.get(name):
            raise InputError(
                f"{key or 'the path'} is {text!r}, but ${name} is not set",
                hint=f"Set {name}, or write another path in a site file of your own.",
            )
        return environ[name]

    filled = re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", value, text)
    if filled == "~" or filled.startswith("~/"):
        filled = environ.get("HOME", str(Path.home())) + filled[1:]
    return filled


def _document(name: str, children: tuple[str, ...]) -> Document:
    files = [folder / f"{name}.toml" for folder in site_dirs()]
    files = [path for path in files if is_file(path)] if "/" not in name else []
    if not files:
        known = known_sites()
        raise InputError(
            f"site {name!r} not found; known: {', '.join(known)}.{did_you_mean(name, known)}"
        )
    document = read_document(files[0], "site")
    for path in files[1:]:
        document.overlay(read_document(path, "site"))
    return _over_parent(document, (*children, name))


def _over_parent(document: Document, names: tuple[str, ...]) -> Document:
    """Merge a document with the site that it extends; `names` are the sites up to this one."""
    parent = document.data.get("extends", "")
    if not isinstance(parent, str) or not parent:
        return document  # validation reports a wrong type
    where = document.where(("extends",))
    if parent in names:
        chain = " → ".join((*names[names.index(parent) :], parent))
        raise InputError(
            f"{where}: extends goes in a circle: {chain}",
            hint="To change single keys of a known site, give the file its name and leave "
            "`extends` out: files of one name are laid over one another.",
        )
    try:
        below = _document(parent, names)
    except InputError as error:
        raise InputError(f"{where}: extends: {error.message}", hint=error.hint) from error
    for key in _NOT_INHERITED:
        below.data.pop(key, None)
        below.origins = {k: v for k, v in below.origins.items() if k[0] != key}
    below.overlay(document)
    below.name = document.name
    return below


def _resolved(document: Document, name: str) -> ResolvedSite:
    if "name" in document.data:
        fault = "the file's name is the site's name; leave `name` out"
        raise error_of([(("name",), fault)], document)
    document.data["name"] = name
    site = validated(Site, document)
    if site.default_partition and site.default_partition not in site.partitions:
        known = ", ".join(site.partitions) or "none"
        fault = (
            f"default_partition is {site.default_partition!r}, but the partitions are: {known}."
            + did_you_mean(site.default_partition, site.partitions)
        )
        raise error_of([(("default_partition",), fault)], document)
    leaves = {dotted(key): document.where(key) for key in _leaves(document.data, ())}
    del leaves["name"]
    return ResolvedSite(site, leaves)


def _leaves(table: Mapping[str, object], at: Key) -> Iterator[Key]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name)


def _fit(match: Match, environ: Mapping[str, str], hostname: str) -> str:
    """Return why the rules match, ``""`` if they do not."""
    reasons = []
    if match.environment:
        if not all(
            fnmatchcase(environ.get(k, ""), v) and k in environ
            for k, v in match.environment.items()
        ):
            return ""
        reasons += [f"${name} is {environ[name]!r}" for name in match.environment]
    if match.hostnames:
        if not any(fnmatchcase(hostname, pattern) for pattern in match.hostnames):
            return ""
        reasons.append(f"the host name is {hostname!r}")
    if match.files:
        found = [path for path in match.files if path_exists(path)]
        if not found:
            return ""
        reasons.append(f"{found[0]} exists")
    return " and ".join(reasons)
