"""Files of the user that have names of modules, in the directory where head and workers start."""

from __future__ import annotations

import pytest

from hpckit.engines.registry import installed
from tests.support.slurm_site import SlurmSite

MODULES = ("queue", "random", "select", "token", "ray", "hpckit", "json")


@pytest.mark.parametrize("backend", ["pool", "workqueue", "ray"])
def test_files_beside_a_bag_are_not_imported(slurm_site: SlurmSite, backend: str) -> None:
    if backend not in installed():
        pytest.skip(f"{backend} is not installed here")
    root = slurm_site.directory(f"poisoned-{backend}")
    for name in MODULES:
        (root / f"{name}.py").write_text("raise SystemExit('it was imported')\n")
    words = ("submit", "--site", slurm_site.site, "--backend", backend, "--wait", "--range", "1-3")
    answer = slurm_site.hpckit(*words, "--", "true", cwd=root)
    assert answer.code == 0, answer.stderr
