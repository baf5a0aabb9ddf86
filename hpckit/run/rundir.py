"""The run directory: one class that names every file of a run.

Standard library only, because workers use it too. `docs/reference/schemas.md` describes the files.
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
    """The files of one run. `root` is absolute, has mode 0700, and is on a shared file system."""

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
        """The tasks, one `Task` on each line, ordered by index; written once by submit."""
        return self.root / "tasks.jsonl"

    @property
    def inputs(self) -> Path:
        """Sizes and times of the tasks' inputs at submission (`hpckit.launch.inputs`)."""
        return self.root / "inputs.jsonl"

    @property
    def scripts(self) -> Path:
        """The submitted sbatch scripts."""
        return self.root / "scripts"

    @property
    def secrets(self) -> Path:
        """The secrets of this run: mode 0700, files 0600."""
        return self.root / "secrets"

    @property
    def jobs(self) -> Path:
        """Every Slurm job of the run, one on each line (`hpckit.run.jobs`)."""
        return self.root / "jobs.jsonl"

    @property
    def address(self) -> Path:
        """The address of the present head (`hpckit.run.address`)."""
        return self.root / "address" / "head.json"

    @property
    def journal(self) -> Path:
        """The events of the run: one file for each head incarnation (`hpckit.run.journal`)."""
        return self.root / "journal"

    @property
    def snapshot(self) -> Path:
        """The number of tasks in each state (`hpckit.run.snapshot`)."""
        return self.root / "snapshot.json"

    @property
    def output(self) -> Path:
        """The output of the tasks: one file for each head incarnation (`hpckit.run.output`)."""
        return self.root / "output"

    @property
    def spool(self) -> Path:
        """The results of each worker's runner, which count even if the worker is lost."""
        return self.root / "spool"

    @property
    def logs(self) -> Path:
        """The output of the jobs, which Slurm writes, and of their processes (`log_file`)."""
        return self.root / "logs"

    @property
    def submitit(self) -> Path:
        """The files of submitit for the head's jobs, mode 0700 (`hpckit.head.supervisor`)."""
        return self.root / "submitit"

    @property
    def cancel(self) -> Path:
        """The file that exists once the run has been cancelled."""
        return self.root / "cancel.json"

    @property
    def workers(self) -> Path:
        """The limits of the number of workers, once `hpckit workers` has set them."""
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
        """Return the file of output that one head incarnation writes."""
        return self.root / "output" / f"{incarnation:04}.jsonl"

    def spool_file(self, worker: str) -> Path:
        """Return the spool of one worker."""
        return self.root / "spool" / f"{worker}.jsonl"

    def log_file(self, what: str) -> Path:
        """Return the log of a process that hpckit starts: ``ray-head``, the name of a worker, …"""
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
    """Write `text` to a temporary file beside `path`, sync it and rename it to `path`.

    Raises:
        StorageError: there is no space or no permission; `path` is unchanged.
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
    """Remove the temporary files of `write_atomically` that killed heads have left.

    It looks beside the files that heads write. Only the last head of a run may call it.
    """
    for path in (run_dir.snapshot, run_dir.address):
        for temporary in path.parent.glob(f".{path.name}.????????"):
            with contextlib.suppress(OSError):
                temporary.unlink()
