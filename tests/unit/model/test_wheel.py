"""The wheel contains templates, sites and bags, and an installed hpckit finds them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
FOLDERS = ("templates", "site_configs", "jobs")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel's contents, as site-packages would have them."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install hatchling")
    pytest.importorskip("build", reason="build is not installed: pip install '.[dev]'")
    root = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    subprocess.run([*command, str(root), str(TOP)], check=True, capture_output=True)
    with zipfile.ZipFile(next(root.glob("*.whl"))) as wheel:
        wheel.extractall(root / "site packages")
    return root / "site packages"


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_wheel_has_every_file_of(installed: Path, folder: str) -> None:
    ours = {p.name: p.read_bytes() for p in (TOP / folder).iterdir() if p.is_file()}
    carried = {p.name: p.read_bytes() for p in (installed / "hpckit" / "_data" / folder).iterdir()}
    assert carried == ours


def test_an_installed_hpckit_finds_its_sites_and_bags(installed: Path, tmp_path: Path) -> None:
    program = (
        "from hpckit.assets import asset_dir\n"
        "from hpckit.model.bag import load_bag\n"
        "from hpckit.model.site_files import known_sites, load_site\n"
        "assert all(load_site(name).site.description for name in known_sites())\n"
        "print(load_bag(asset_dir('jobs') / 'hello.toml').name, *known_sites())\n"
        "print(asset_dir('templates'))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(installed), "XDG_CONFIG_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=env, check=True, capture_output=True, text=True,
    )  # fmt: skip
    said, where = ran.stdout.splitlines()
    assert said == "hello local perlmutter slurm"
    assert where == str(installed / "hpckit" / "_data" / "templates")
