"""Every template with every shipped site and both engines: what the golden scripts are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpckit.assets import asset_dir
from hpckit.engines.registry import ENGINES
from hpckit.launch.plan import make_plan
from hpckit.launch.render import Script, render
from hpckit.launch.request import Request
from hpckit.model.bag import Bag
from hpckit.model.plan import Plan
from hpckit.model.site_files import load_site

SITES = sorted(path.stem for path in asset_dir("site_configs").glob("*.toml"))
JOINED = sorted(name for name, facts in ENGINES.items() if facts.joins)
SHAPES = ("allocation", "array")
CASES = [(site, engine, shape) for site in SITES for engine in JOINED for shape in SHAPES]


def sea_ice(**tables: Any) -> Bag:
    """A bag that uses what scripts can show: modules, setup lines, a wish for workers."""
    body: dict[str, Any] = {
        "name": "sea-ice",
        "task": {
            "command": ["compress_task", "{field}"],
            "resources": {"cores": 1, "memory": "500 MB"},
        },
        "each": {"field": {"glob": "data/*.npy"}},
        "environment": {"modules": ["gcc/13", "zfp"], "setup": ["source env.sh"]},
        "workers": {"count": 4, "cores": 8, "walltime": "1h"},
        "directory": "/home/ada/sea ice",
        "submitted_from": "/home/ada/sea ice",
    }
    return Bag.model_validate(body | tables)


def request(**changes: Any) -> Request:
    base: dict[str, Any] = {
        "tasks": 120,
        "now": 0.0,
        "python": "/opt/hpckit/bin/python",
        "cwd": "/home/ada/sea ice",
        "environ": {"HPCKIT_RUNS": "/scratch/ada/hpckit-runs", "SCRATCH": "/scratch/ada"},
        "slurm_bin": "/opt/emulated/bin",
        "account": "m1234",
        "name": "sea-ice-1",
    }
    return Request(**base | changes)


def plan_of(site: str, engine: str, shape: str, **changes: Any) -> Plan:
    asked = request(backend=engine, shape=shape, **changes)
    return make_plan(sea_ice(), load_site(site).site, asked)


def scripts_of(site: str, engine: str, shape: str) -> tuple[Script, ...]:
    return render(plan_of(site, engine, shape))


def golden_file(site: str, engine: str, shape: str, role: str) -> Path:
    folder = Path(__file__).parent / "scripts"
    return folder / f"{site}-{engine}-{shape}" / f"{role}.sh"
