"""templates/, site_configs/ and jobs/ are found in the checkout first, then in the wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpckit import assets
from hpckit.errors import StorageError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that hpckit is imported from here."""
    root = tmp_path / "it's here" / "hpckit"
    root.mkdir(parents=True)
    monkeypatch.setattr(assets, "_PACKAGE", root)
    return root


def test_an_installed_wheel_has_the_folders_in_the_package(package: Path) -> None:
    (package / "_data" / "templates").mkdir(parents=True)
    (package.parent / "templates").mkdir()  # another package's, in site-packages
    assert assets.asset_dir("templates") == package / "_data" / "templates"


def test_a_checkout_is_preferred_to_the_copy_of_an_editable_install(package: Path) -> None:
    (package / "_data" / "templates").mkdir(parents=True)
    (package.parent / "templates").mkdir()
    (package.parent / "pyproject.toml").touch()
    assert assets.asset_dir("templates") == package.parent / "templates"


def test_a_damaged_installation_is_an_error(package: Path) -> None:
    with pytest.raises(StorageError, match=r"site_configs/ is missing; looked in .*_data.*\nInst"):
        assets.asset_dir("site_configs")


def test_this_checkout_has_all_folders() -> None:
    top = Path(__file__).resolve().parents[3]
    assert assets.asset_dir("templates") == top / "templates"
    assert (assets.asset_dir("site_configs") / "local.toml").is_file()
    assert (assets.asset_dir("jobs") / "hello.toml").is_file()
