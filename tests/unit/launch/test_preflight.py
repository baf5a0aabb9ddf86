from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpckit.launch.preflight import preflight_notes
from hpckit.model.bag import Bag
from hpckit.model.site import Site


def told(work: Path, *, site: dict[str, Any] | None = None, **tables: Any) -> list[str]:
    raw = {"name": "bag", "directory": str(work), "submitted_from": str(work), **tables}
    return list(
        preflight_notes(Bag.model_validate(raw), Site.model_validate({"name": "s", **(site or {})}))
    )


def test_what_is_here_is_not_told(tmp_path: Path) -> None:
    tool = tmp_path / "tools" / "frob"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert told(tmp_path, task={"command": ["true"]}) == []
    assert told(tmp_path, task={"command": ["tools/frob"]}) == []
    assert told(tmp_path, task={"command": ["frob"]}, environment={"path": ["tools"]}) == []


def test_a_program_that_is_not_here_is_told(tmp_path: Path) -> None:
    (note,) = told(tmp_path, task={"command": ["frob"]})
    assert note.startswith("there is no program frob here")
    (note,) = told(tmp_path, task={"command": ["tools/frob"]})
    assert f"no program {tmp_path}/tools/frob here" in note
    (tmp_path / "frob").write_text("#!/bin/sh\n")
    (note,) = told(tmp_path, task={"command": ["./frob"]})
    assert note.startswith(f"{tmp_path}/frob may not be executed")


@pytest.mark.parametrize("lines", [{"modules": ["frob/1.0"]}, {"setup": ["source env.sh"]}])
def test_a_program_that_a_module_may_bring_is_not_told(
    tmp_path: Path, lines: dict[str, list[str]]
) -> None:
    assert told(tmp_path, task={"command": ["frob"]}, environment=lines) == []
    assert told(tmp_path, task={"command": ["frob"]}, site={"environment": lines}) == []
    assert told(tmp_path, task={"command": ["./frob"]}, environment=lines) != []


def test_a_program_in_a_container_is_not_told(tmp_path: Path) -> None:
    inside = {"launch": ["apptainer", "exec", "image.sif"]}
    assert told(tmp_path, task={"command": ["/opt/frob"]}, environment=inside) == []


def test_a_working_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    (note,) = told(tmp_path, task={"command": ["true"], "cwd": "later"})
    assert f"the working directory {tmp_path}/later is not there" in note
