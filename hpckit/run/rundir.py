"""The run directory: one class that names every file of a run.

Standard library only: workers read it too. What each file holds is in `docs/reference/schemas.md`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hpckit.errors import StorageError
from hpckit.model.plan import Plan


@dataclass(frozen=True)
class RunDir:
    """The files of one run, by name. `root` is absolute, mode 0700, seen by every node."""

    root: Path

    @property
    def plan(self) -> Path:
        """The plan, ``hpckit.plan/1``; written by submit, and by ``resume --walltime``."""
        return self.root / "plan.json"

    @property
    def bag(self) -> Path:
        """The resolved bag; written once by submit."""
        return self.root / "bag.json"

    @property
    def site(self) -> Path:
        """The resolved site; written once by submit."""
        return self.root / "site.json"

    @property
    def provenance(self) -> Path:
        """Versions and origins; written once by submit."""
        return self.root / "provenance.json"

    @property
    def tasks(self) -> Path:
        """One `Task` a line, in the order of their indices; written once by submit."""
        return self.root / "tasks.jsonl"

    @property
    def inputs(self) -> Path:
        """Sizes and times of the tasks' inputs when the run was made (`hpckit.launch.inputs`)."""
        return self.root / "inputs.jsonl"

    @property
    def scripts(self) -> Path:
        """The sbatch scripts, as they were submitted."""
        return self.root / "scripts"

    @property
    def secrets(self) -> Path:
        """The secrets of this run: mode 0700, files 0600."""
        return self.root / "secrets"

    @property
    def jobs(self) -> Path:
        """Every Slurm job submitted for the run, a line each (`hpckit.run.jobs`)."""
        return self.root / "jobs.jsonl"

    @property
    def address(self) -> Path:
        """Where the head of the moment can be found (`hpckit.run.address`)."""
        return self.root / "address" / "head.json"

    @property
    def journal(self) -> Path:
        """The events of the run: a file per head incarnation (`hpckit.run.journal`)."""
        return self.root / "journal"

    @property
    def snapshot(self) -> Path:
        """The counts at a moment, rebuildable from the journal."""
        return self.root / "snapshot.json"

    @property
    def output(self) -> Path:
        """Captured output of the tasks: a file per head incarnation."""
        return self.root / "output"

    @property
    def spool(self) -> Path:
        """The results that each worker's runner finished, so that a lost worker's work counts."""
        return self.root / "spool"

    @property
    def logs(self) -> Path:
        """The output of the jobs, captured by Slurm, and of what they started (`log_file`)."""
        return self.root / "logs"

    @property
    def submitit(self) -> Path:
        """The files that submitit keeps of the head's jobs; mode 0700
        (`hpckit.head.supervisor`)."""
        return self.root / "submitit"

    @property
    def cancel(self) -> Path:
        """There once somebody cancelled the run."""
        return self.root / "cancel.json"

    @property
    def workers(self) -> Path:
        """Between how many workers the run may have, once `hpckit workers` has said so."""
        return self.root / "workers.json"

    @property
    def resume(self) -> Path:
        """The request of the newest `hpckit resume`."""
        return self.root / "resume.json"

    def script(self, role: str) -> Path:
        """Return the path of the sbatch script of a role (``head``, ``workers``, …)."""
        return self.root / "scripts" / f"{role}.sh"

    def secret(self, name: str) -> Path:
        """Return the path of a secret, such as ``door.key`` (`hpckit.engines.info`)."""
        return self.root / "secrets" / name

    def journal_file(self, incarnation: int) -> Path:
        """Return the journal of one head incarnation, counted from 1."""
        return self.root / "journal" / f"{incarnation:04}.jsonl"

    def output_file(self, incarnation: int) -> Path:
        """Return the captured output stored by one head incarnation."""
        return self.root / "output" / f"{incarnation:04}.jsonl"

    def spool_file(self, worker: str) -> Path:
        """Return the spool of one worker."""
        return self.root / "spool" / f"{worker}.jsonl"

    def log_file(self, what: str) -> Path:
        """Return the log of a process that hpckit starts: ``ray-head``, a worker of its name, …"""
        return self.root / "logs" / f"{what}.log"

    def read_plan(self) -> Plan:
        """Read the plan.

        Raises:
            StorageError: there is no plan, or it cannot be read.
        """
        try:
            return Plan.from_json(self.plan.read_bytes())
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StorageError(
                f"{self.root} is not a readable run directory: {error}",
                hint="List the runs with `hpckit list`.",
            ) from error


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write `text` beside `path`, sync it and rename it into place.

    Raises:
        StorageError: no space, no permission; nothing is left at `path` that was not there.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageError(
            f"cannot write {path}: {error.strerror}",
            hint="Make room or choose another place with run_root or $HPCKIT_RUNS.",
        ) from error


def remove_temporaries(run_dir: RunDir) -> None:
    """Remove what heads that were killed while they wrote have left of `write_atomically`.

    Only beside the files that heads write, and only for the last head of a run.
    """
    for path in (run_dir.snapshot, run_dir.address):
        for temporary in path.parent.glob(f".{path.name}.????????"):
            with contextlib.suppress(OSError):
                temporary.unlink()
