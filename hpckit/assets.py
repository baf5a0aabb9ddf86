"""Find `templates/`, `site_configs/`, `jobs/` and the C++ task, wherever hpckit is installed.

A checkout has them at its top. A wheel has them inside the package. An editable install has
both, and the wheel's copy may be out of date, so the checkout is tried first.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from hpckit.errors import StorageError

_PACKAGE = Path(__file__).resolve().parent


def asset_dir(name: Literal["templates", "site_configs", "jobs"]) -> Path:
    """Return the directory of that name.

    Raises:
        StorageError: neither checkout nor package has it; the installation is damaged.
    """
    checkout = _PACKAGE.parent
    candidates = [_PACKAGE / "_data" / name]
    if (checkout / "pyproject.toml").is_file():  # never a stray folder in site-packages
        candidates.insert(0, checkout / name)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise StorageError(
        f"{name}/ is missing; looked in {', '.join(str(c) for c in candidates)}",
        hint="Install hpckit again.",
    )


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra of hpckit.

    It names the checkout, because the package called hpckit on PyPI is not this one.
    """
    return f"pip install '.[{extra}]' in hpckit's checkout"


def find_compress_task() -> Path | None:
    """Return the C++ task: the one of this checkout, else one on PATH."""
    built = asset_dir("jobs").parent / "native" / "build" / "compress_task"
    if built.is_file():
        return built
    found = shutil.which("compress_task")
    return Path(found) if found else None
