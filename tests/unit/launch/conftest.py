"""A bag to submit, and a Slurm that takes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpckit.launch.plan import make_plan
from hpckit.launch.submit import Submitted, submit
from hpckit.model.bag import Bag
from hpckit.model.expand import count
from hpckit.model.plan import Plan
from hpckit.model.site import Site
from tests.golden.cases import request
from tests.unit.slurm.fake import FakeSlurm, fake_slurm

#: sbatch that counts its calls and prints 101, 102, ... as job ids.
COUNTING = 'n=$(grep -c ^sbatch "$log"); echo $((100 + n))\n'
HOSTILE = 'it\'s 100% "grün" & $HOME'


@pytest.fixture
def slurm(tmp_path: Path) -> FakeSlurm:
    fake = fake_slurm(tmp_path / "bin")
    fake.script("sbatch", COUNTING)
    fake.answer("scancel")
    return fake


@pytest.fixture
def case(tmp_path: Path, slurm: FakeSlurm, anywhere: None) -> Case:
    work = tmp_path / HOSTILE
    work.mkdir()
    for name in ("a", "b", "c"):
        (work / f"{name}.npy").write_text(name)
    return Case(work, slurm)


class Case:
    """A bag of three files in a directory with a hostile name."""

    def __init__(self, work: Path, slurm: FakeSlurm) -> None:
        self.work = work
        self.runs = work / "runs" / "of mine"
        # tmp_path lies in /tmp; only an emulated site may keep runs there, and none is started.
        self.site = Site(name="here", slurm_bin=slurm.bin, node_tmp="/nowhere")
        self.bag = Bag.model_validate(
            {
                "name": "bag",
                "task": {"command": ["cat", "{file}"], "inputs": ["{file}"]},
                "each": {"file": {"glob": "*.npy"}},
                "directory": str(work),
                "submitted_from": str(work),
            }
        )

    def plan(self, name: str = "r", **changes: object) -> Plan:
        asked = request(
            tasks=count(self.bag),
            environ={"HPCKIT_RUNS": "/shared"},
            name=name,
            account="",
            **{"backend": "workqueue"} | changes,
        )
        return replace(make_plan(self.bag, self.site, asked), run_dir=str(self.runs / name))

    def submit(self, plan: Plan) -> Submitted:
        return submit(self.bag, self.site, plan, argv=("hpckit", "submit"))


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests' directories are in /tmp, which real sites refuse (tested with the plan)."""
    for module in ("plan", "submit"):
        monkeypatch.setattr(f"hpckit.launch.{module}.refuse_node_local", lambda *_: None)
