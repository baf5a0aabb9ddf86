"""A prompt to type at, and made-up runs to look at."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hpckit.cli.main import run as run_command
from hpckit.model.task import Task
from hpckit.protocol.result import OK
from hpckit.run.events import Ended, Event, Joined, Left, Returned, Row
from hpckit.run.jobs import SubmittedJob, record_job
from hpckit.run.journal import JournalWriter, open_journal
from hpckit.run.output import OutputWriter
from hpckit.run.rundir import RunDir
from tests.unit.factories import make_plan, make_result, make_run_dir
from tests.unit.slurm.fake import FakeSlurm, fake_slurm

NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Said:
    """The output and exit code of a command line."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert found["schema"].startswith("hpckit.")
        return found


Prompt = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without runs, sites of its own or clusters; work is done in ``tmp_path/work``."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HPCKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HPCKIT_EMULATOR_DIR", str(tmp_path / "emulator"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path


@pytest.fixture
def prompt(home: Path, capsys: pytest.CaptureFixture[str]) -> Prompt:
    def typed(*words: str) -> Said:
        code = run_command(words)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(code, out, err)

    return typed


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let stdout be a terminal of so many columns."""

    def wide(columns: int) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))

    return wide


class MadeUp:
    """A run that no head has seen: what a test says happened in it."""

    def __init__(self, home: Path, slurm: FakeSlurm, name: str, tasks: int, **plan: Any) -> None:
        self.slurm = slurm
        (home / "runs").mkdir(exist_ok=True)
        self.dir: RunDir = make_run_dir(home / "runs" / name)
        made = make_plan(
            run=name,
            run_dir=str(self.dir.root),
            tasks=tasks,
            scheduler="slurm",
            slurm_bin=slurm.bin,
            **plan,
        )
        self.dir.plan.write_text(made.to_json())
        lines = (
            Task(index=i, key=f"k{i}", argv=("true",), params={"n": i}).to_dict()
            for i in range(tasks)
        )
        self.dir.tasks.write_text("".join(json.dumps(line) + "\n" for line in lines))
        record_job(self.dir, SubmittedJob(job_id="7", role="head", submitted_at=NOW))
        self.journal: JournalWriter | None = None
        self.output = OutputWriter(self.dir, 1)

    def head(self) -> None:
        self.journal = open_journal(
            self.dir, run=self.dir.root.name, nonce="n", job_id="7", node="n1", pid=42, t=NOW
        )

    def write(self, *events: Event) -> None:
        assert self.journal is not None
        self.journal.append(*events)

    def workers(self, *names: str) -> None:
        self.write(
            *(Joined(t=NOW, worker=w, job_id=w, node="n2", cores=4, memory_mib=4000) for w in names)
        )

    def gone(self, worker: str, why: str) -> None:
        self.write(Left(t=NOW + 5, worker=worker, orderly=False, why=why))

    def result(self, index: int, kind: str = OK, **about: Any) -> None:
        result = make_result(index, kind, **{"started_at": NOW + 1, **about})
        row = Row.of(result, final=True, output_at=self.output.append(result))
        self.write(Returned(t=NOW + 2, bundle=f"1-{index}", worker="8_0", rows=[row]))

    def end(self, state: str, why: str = "") -> None:
        self.write(Ended(t=NOW + 10, state=state, why=why))


@pytest.fixture
def slurm(home: Path) -> FakeSlurm:
    """Slurm's commands, which know no job."""
    fake = fake_slurm(home / "bin")
    for command in ("squeue", "sacct", "scancel"):
        fake.answer(command)
    return fake


@pytest.fixture
def made_up(home: Path, slurm: FakeSlurm) -> Callable[..., MadeUp]:
    def make(name: str = "sea-ice", tasks: int = 10, **plan: Any) -> MadeUp:
        return MadeUp(home, slurm, name, tasks, **plan)

    return make
