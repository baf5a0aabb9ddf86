"""The main job: on every engine and shape the results are the same and come from the nodes."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.support.slurm_site import PROGRAMS, SlurmSite, await_true, copy_jobs, environ_of

__all__ = ["laid_out", "test_the_main_job_succeeds"]

ENGINE_PROCESS = {"ray": "raylet", "workqueue": "work_queue_worker"}
STEP_DAEMONS = ("slurmstepd", "hpckit.emulator", "emulator/boot.py")
#: SHA-256 over the decoded values of all 240 outputs, in the order of their names, as
#: `decoded_digest` makes it; the same on every engine, shape and Slurm.
seen_digests: set[str] = set()


@pytest.fixture(scope="session")
def laid_out(slurm_site: SlurmSite) -> Path:
    if not (PROGRAMS / "compress_task").exists():
        pytest.skip("the C++ task is not built: `make native`")
    root = slurm_site.directory("main")
    copy_jobs(root)
    return root


@pytest.mark.parametrize("shape", ["array", "allocation"])
@pytest.mark.parametrize("backend", ["workqueue", "ray"])
def test_the_main_job_succeeds(
    slurm_site: SlurmSite, laid_out: Path, backend: str, shape: str
) -> None:
    name = f"main-{backend}-{shape}"
    out = laid_out / "out" / name
    words = ["submit", str(laid_out / "jobs" / "sea_ice.toml"), "--name", name, "--wait"]
    words += ["--backend", backend, "--site", slurm_site.site, "--shape", shape]
    words += ["--set", f"let.out={out}/{{field.stem}}-{{tolerance}}.zfp"]
    words += ["--set", f'environment.path=["{PROGRAMS}"]']
    with slurm_site.started(*words, cwd=laid_out) as submitting:
        watched = Watched(ENGINE_PROCESS[backend], Path(slurm_site.env["HPCKIT_RUNS"]) / name)
        await_true("the run's end", lambda: watched.look() or submitting.poll() is not None, 200)
        stdout, stderr = submitting.communicate(timeout=30)
    assert submitting.returncode == 0, stderr
    assert stdout.strip() == name
    status = slurm_site.status(name)
    assert status["state"] == "done"
    assert status["counts"] == {"done": 240, "failed": 0, "running": 0, "waiting": 0}
    jobs = {worker["job_id"] for worker in status["workers"]}
    assert jobs <= watched.jobs, f"no {watched.program} was seen under {jobs - watched.jobs}"
    seen_digests.add(decoded_digest(out))
    assert len(seen_digests) == 1


class Watched:
    """The jobs in which a process of the engine was seen, as a descendant of a job's step."""

    def __init__(self, program: str, run_dir: Path) -> None:
        self.program = program
        self.jobs: set[str] = set()
        self._run_dir = run_dir

    def look(self) -> None:
        for process in psutil.process_iter(["name"]):
            if process.info["name"] not in (self.program, self.program[:15]):
                continue
            env = environ_of(process)
            if self._is_ours(process):
                array = env.get("SLURM_ARRAY_JOB_ID")
                task = env.get("SLURM_ARRAY_TASK_ID")
                self.jobs.add(f"{array}_{task}" if array else env.get("SLURM_JOB_ID", ""))

    def _is_ours(self, process: psutil.Process) -> bool:
        """Return True if a worker of this run started the process, and a step of a Slurm job
        started the worker."""
        try:
            above = [" ".join(parent.cmdline()) for parent in process.parents()]
        except psutil.Error:
            return False
        at = next(
            (i for i, text in enumerate(above)
             if "hpckit.worker" in text and str(self._run_dir) in text),
            None,
        )  # fmt: skip
        return at is not None and any(
            daemon in text for text in above[at:] for daemon in STEP_DAEMONS
        )


def decoded_digest(folder: Path) -> str:
    """Return the hash of all decoded outputs, without any code of hpckit."""
    digest = hashlib.sha256()
    files = sorted(folder.glob("*.zfp"))
    assert len(files) == 240
    decoded = folder / "decoded.npy"
    for file in files:
        subprocess.run(
            [PROGRAMS / "compress_task", "decompress", file, "-o", decoded],
            check=True,
            capture_output=True,
        )
        digest.update(file.name.encode() + decoded.read_bytes())
    return digest.hexdigest()
