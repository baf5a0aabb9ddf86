"""Check what a run will need and this machine does not show. These are notes, since nodes may have
it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from hpckit.model.bag import Bag
from hpckit.model.expand import expand, task_settings
from hpckit.model.paths import is_dir, is_file
from hpckit.model.site import Site
from hpckit.model.task_template import TaskTemplate


def preflight_notes(bag: Bag, site: Site) -> Iterator[str]:
    """Yield words on a working directory and a program that cannot be found.

    A program on PATH is looked for only where no module and no shell line of site or bag may
    bring it, and none where `environment.launch` may start a container.

    Raises:
        InputError: the bag has a fault.
    """
    settings = task_settings(bag, "")
    if settings.cwd and not is_dir(settings.cwd):
        yield f"the working directory {settings.cwd} is not there; tasks will fail without it"
    program = TaskTemplate(bag).program
    if not program and not bag.task.function:
        program = next(expand(bag)).argv[0]
    if program and not settings.launch:
        yield from _program(program, settings.path, changes=_changes_path(bag, site))


def _changes_path(bag: Bag, site: Site) -> bool:
    return any((each.modules or each.setup) for each in (bag.environment, site.environment))


def _program(word: str, path: tuple[str, ...], *, changes: bool) -> Iterator[str]:
    known = "/" in word
    if not known and changes:
        return
    search = os.pathsep.join([*path, os.environ.get("PATH", os.defpath)])
    if shutil.which(word, path=search) is not None:
        return
    if known and is_file(word):
        yield f"{word} may not be executed; tasks will fail until `chmod +x` allows it"
    else:
        yield f"there is no program {word} here; tasks will fail where the nodes have none either"
