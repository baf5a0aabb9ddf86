"""The bags in jobs/ are valid and have the tasks that they should have."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hpckit.model.bag import load_bag
from hpckit.model.expand import count, expand, task_settings

JOBS = Path(__file__).resolve().parents[3] / "jobs"
ICE = "northward_sea_ice_velocity.1890.01.01.00.00.npy"


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """The bags, in a checkout whose data are three empty files."""
    folder = tmp_path / "check out" / "jobs"
    folder.mkdir(parents=True)
    for path in [*JOBS.glob("*.toml"), JOBS / "zfpy_task.py"]:
        shutil.copy(path, folder)
    data = folder.parent / "data"
    data.mkdir()
    for name in (ICE, ICE.replace("1890", "1891"), "A1B_north_america.air_temperature.npy"):
        (data / name).touch()
    return folder


def test_hello_has_ten_tasks_from_one_to_ten() -> None:
    tasks = list(expand(load_bag(JOBS / "hello.toml")))
    said = subprocess.run(tasks[0].argv, capture_output=True, text=True, check=True).stdout
    assert said == "hello from task 1\n"
    assert tasks[-1].argv == ("echo", "hello from task 10")


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("sea_ice", 4),
        ("north_america", 5),
        ("sea_ice_zfpy", 4),
        ("demo", 6),
        ("demo_zfpy", 6),
    ],
)
def test_every_bag_loads_and_writes_to_its_own_folder(jobs: Path, name: str, tasks: int) -> None:
    bag = load_bag(jobs / f"{name}.toml")
    assert count(bag) == tasks
    for task in expand(bag):
        assert Path(task.inputs[0]).is_file()
        assert task.outputs[0].startswith(f"{jobs.parent}/")
        assert Path(task.outputs[0]).parent.parts[-2:] == ("compressed", name)


def test_sea_ice_calls_the_program_that_the_build_makes(jobs: Path) -> None:
    bag = load_bag(jobs / "sea_ice.toml")
    field = f"{jobs.parent}/data/{ICE}"
    out = f"{jobs.parent}/data/compressed/sea_ice/{ICE.removesuffix('.npy')}-1e-3.zfp"
    assert next(expand(bag)).argv == (
        "compress_task", "compress", field, "-o", out, "--tolerance", "1e-3",
    )  # fmt: skip
    assert task_settings(bag, "run").path == (f"{jobs.parent}/native/build",)


@pytest.fixture
def zfpy_task() -> ModuleType:
    pytest.importorskip("zfpy", reason="zfpy is not installed: pip install '.[zfp]'")
    spec = importlib.util.spec_from_file_location("zfpy_task", JOBS / "zfpy_task.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def waves(dtype: str) -> Any:
    import numpy as np

    x, y = np.mgrid[0:33, 0:47]
    return np.asarray(np.sin(x / 5) * np.cos(y / 7) * 30, dtype=dtype)


def test_the_python_task_writes_what_the_python_reader_reads(
    zfpy_task: ModuleType, tmp_path: Path
) -> None:
    """The rest is tested with the container: tests/native/test_python_reader.py."""
    import numpy as np

    from hpckit import zfp

    values = waves("<f4")
    values[25:28, :] = 1e20
    (tmp_path / "new").mkdir()
    field, out = tmp_path / "a 'b'.npy", tmp_path / "new" / "out.zfp"
    np.save(field, values)
    report = zfpy_task.compress(str(field), str(out), 1e-2, fill_value=1e20)
    restored = zfp.read(out)
    valid = values < 1e19
    assert np.abs(values[valid] - restored[valid]).max() <= 1e-2
    assert report["missing"] == int((~valid).sum())
    assert np.array_equal(values[~valid], restored[~valid])
