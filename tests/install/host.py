"""The package settings of this machine, copied to a root at run time and never stored.

On a machine behind a proxy or a mirror, apt and pip have settings for it. A bare Debian on it
needs the same settings, and nothing else.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_VARIABLES = re.compile(
    r"PIP_\w+|(HTTPS?|ALL|NO|FTP)_PROXY|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE",
    re.IGNORECASE,
)
_APT = re.compile(r"^Acquire::\S*(proxy|verify|check|cainfo|timeout|retries|forceipv)", re.I)
_PIP_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_CERTIFICATES = "/usr/local/share/ca-certificates"  # what ca-certificates adds: its README
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def environment() -> dict[str, str]:
    """Return the variables with which pip and others reach the network."""
    return {name: value for name, value in os.environ.items() if _VARIABLES.fullmatch(name)}


def local_indexes() -> list[Path]:
    """Return the directories that this machine's pip settings name: the root must see them."""
    values = [*environment().values()]
    for section in _pip_settings().values():
        values += section.values()
    paths = {_directory(word) for value in values for word in value.split()}
    return sorted(path for path in paths if path.is_dir() and path != Path(_BUNDLE).parent)


def _directory(word: str) -> Path:
    """Return the directory of one word of a setting; an index links to files beside itself."""
    if word.startswith("file:///"):
        return Path(word.removeprefix("file://")).parent
    return Path(word if word.startswith("/") else os.devnull)


def copy_settings(root: Path) -> None:
    """Write this machine's apt and pip settings, names and certificates into `root`."""
    for name in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copyfile(name, f"{root}{name}")
    if Path(_CERTIFICATES).is_dir():
        shutil.copytree(_CERTIFICATES, f"{root}{_CERTIFICATES}", dirs_exist_ok=True)
    if Path(_BUNDLE).is_file():
        shutil.copyfile(_BUNDLE, f"{root}{_BUNDLE}")
    Path(root, "etc/apt/apt.conf.d/90host").write_text("\n".join(_apt_settings()) + "\n")
    with Path(root, "etc/pip.conf").open("w") as file:
        _pip_settings().write(file)


def _apt_settings() -> Iterator[str]:
    dump = ["apt-config", "dump", "Acquire"]
    said = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    return (line for line in said.splitlines() if _APT.match(line))


def _pip_settings() -> configparser.RawConfigParser:
    settings = configparser.RawConfigParser()
    settings.read([Path(name).expanduser() for name in _PIP_FILES])
    return settings
