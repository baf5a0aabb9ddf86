"""Where `templates/`, `site_configs/`, `jobs/` and the C++ task are: the one resolver.

A checkout has them at its top. A wheel carries them inside the package. An editable
install has both, and the wheel's copy is as old as the install, so the checkout goes first.
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
    """Return what to type for an extra of ours: PyPI's package of our name is somebody else's."""
    return f"pip install '.[{extra}]' in hpckit's checkout"


def find_compress_task() -> Path | None:
    """Return the C++ task: of this checkout, else on PATH."""
    built = asset_dir("jobs").parent / "native" / "build" / "compress_task"
    if built.is_file():
        return built
    found = shutil.which("compress_task")
    return Path(found) if found else None
