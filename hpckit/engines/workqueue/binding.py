"""Which Python has Work Queue's binding."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hpckit.engines.workqueue import INSTALL, PREFIX_VARIABLE, manager
from hpckit.errors import EngineError

_PROBE_S: Final = 30
SCRIPT: Final = str(Path(manager.__file__).resolve())


@dataclass(frozen=True)
class Binding:
    """A Python that can load it: its argv, and the module's name."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    module: str


@dataclass(frozen=True)
class _Place:
    python: str
    packages: str = ""  # put on PYTHONPATH


def find_binding(env: Mapping[str, str]) -> Binding:
    """Return the first Python that loads the binding.

    Looked at are the prefix of HPCKIT_WORK_QUEUE_PREFIX (alone, if it is set), the Python
    that runs hpckit, Debian's and the one on PATH.

    Raises:
        EngineError: none does; it says where was looked, what was found and what to install.
    """
    key = (env.get(PREFIX_VARIABLE, ""), env.get("PATH", os.defpath))
    return _find(*key)


@functools.cache
def _find(prefix: str, path: str) -> Binding:
    tried: list[str] = []
    for place in dict.fromkeys(_places(prefix, path)):
        found, why = _probe(place)
        if found:
            return found
        where = f"{place.python} with {place.packages}" if place.packages else place.python
        tried.append(f"{where} ({why})")
    raise EngineError(
        "Work Queue's Python binding was not found; looked for ndcctools.work_queue and "
        f"work_queue with {'; '.join(tried) or 'no Python at all'}",
        hint=INSTALL,
    )


def _places(prefix: str, path: str) -> Iterator[_Place]:
    pythons = ["/usr/bin/python3", shutil.which("python3", path=path) or ""]
    if not prefix:
        yield from (_Place(python) for python in [sys.executable, *pythons] if _runs(python))
        return
    own = f"{prefix}/bin/python3"
    if _runs(own):
        yield _Place(own)
    for packages in sorted(Path(prefix).glob("lib/python3*/site-packages")):
        version = re.sub(r"^python", "", packages.parent.name)
        named = shutil.which(f"python{version}", path=path) or ""
        for python in (named, sys.executable, *pythons):
            if _runs(python):
                yield _Place(python, str(packages))


def _runs(python: str) -> bool:
    return bool(python) and os.access(python, os.X_OK)


def _probe(place: _Place) -> tuple[Binding | None, str]:
    """Return the binding, or why there is none."""
    extra = {"PYTHONPATH": place.packages} if place.packages else {}
    flags = ("-s",) if place.packages else ("-E", "-s")
    argv = (place.python, *flags, SCRIPT)
    try:
        probed = subprocess.run(
            [*argv, "--probe"],
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            check=False,
            env={**os.environ, **extra},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    if probed.returncode != 0:
        return None, (probed.stderr.strip().splitlines() or ["no answer"])[-1]
    module, file = probed.stdout.splitlines()
    if place.packages and not Path(file).is_relative_to(place.packages):
        return None, f"it loads {file} instead"
    return Binding(argv, tuple(extra.items()), module), ""
