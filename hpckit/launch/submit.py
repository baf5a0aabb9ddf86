"""Acts on a plan: the run directory, then its jobs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpckit.errors import SchedulerError
from hpckit.launch.create_run import RunFiles, new_run_dir, write_run_dir
from hpckit.launch.defer_signals import deferred_signals
from hpckit.launch.emulated_cluster import bring_up
from hpckit.launch.jobs import first_arrays
from hpckit.launch.naming import refuse_node_local
from hpckit.launch.provenance import provenance, provenance_json
from hpckit.launch.render import render
from hpckit.model.bag import Bag
from hpckit.model.expand import expand
from hpckit.model.plan import Plan
from hpckit.model.site import Site
from hpckit.run.jobs import HEAD_ROLES, SubmittedJob
from hpckit.run.rundir import RunDir, write_atomically
from hpckit.run.submission import submit_job
from hpckit.slurm.sbatch import scancel


@dataclass(frozen=True)
class Submitted:
    """The jobs that were submitted, in their order, with the run's files and notes for the user."""

    run_dir: RunDir
    jobs: tuple[SubmittedJob, ...]
    notes: tuple[str, ...] = ()


def submit(
    bag: Bag,
    site: Site,
    plan: Plan,
    *,
    origins: Mapping[str, str] = {},
    argv: Sequence[str] | None = None,
) -> Submitted:
    """Make the run directory and submit the jobs.

    A fault found before the first job is accepted leaves nothing behind, so that a second
    try can have the same name. After that the directory stays: a job may be writing there.
    What was submitted is then cancelled, and the run is marked as cancelled; `resume` can
    go on with it.

    Args:
        bag: whose tasks are written down.
        site: where it goes.
        plan: what `make_plan` returned for both.
        origins: of the site's values, for the record (`ResolvedSite.origins`).
        argv: the command line, for the record; by default this process's.

    Raises:
        RunExistsError: the name is taken.
        InputError: the bag has a fault.
        StorageError: the directory cannot be written.
        SchedulerError: sbatch refused; or the emulated cluster does not start.
    """
    if plan.scheduler == "slurm":
        real = str(Path(plan.run_dir).parent.resolve())
        refuse_node_local(real, plan.node_tmp, "runs would be kept in")
    words = tuple(sys.argv if argv is None else argv)
    origin = provenance(argv=words, directory=bag.directory, site_origins=origins)
    contents = _run_files(bag, site, plan, origin)
    jobs: list[SubmittedJob] = []
    try:
        with new_run_dir(plan) as run_dir:
            missing = write_run_dir(run_dir, contents)
            _ready(plan, site)
            _submit_all(run_dir, plan, jobs)
    except BaseException:
        if jobs:
            _take_back(RunDir(Path(plan.run_dir)), plan, jobs)
        raise
    return Submitted(run_dir, tuple(jobs), (missing.note,) if missing.note else ())


def _run_files(bag: Bag, site: Site, plan: Plan, origin: dict[str, object]) -> RunFiles:
    return RunFiles(
        plan=plan,
        scripts=render(plan),
        tasks=expand(bag),
        bag=bag.to_json(),
        site=site.to_json(),
        provenance=provenance_json(origin),
    )


def resubmit(run_dir: RunDir) -> Submitted:
    """Submit the scripts of a run again; a failure takes back what was submitted.

    Raises:
        StorageError: the run directory cannot be read or written.
        SchedulerError: sbatch refused; or the emulated cluster does not start.
    """
    plan = run_dir.read_plan()
    _ready(plan, Site.from_json(run_dir.site.read_bytes()))
    jobs: list[SubmittedJob] = []
    try:
        _submit_all(run_dir, plan, jobs)
    except BaseException:
        if jobs:
            _take_back(run_dir, plan, jobs)
        raise
    return Submitted(run_dir, tuple(jobs))


def _ready(plan: Plan, site: Site) -> None:
    if plan.scheduler == "emulated":
        bring_up(site)


def _arrays(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield role and ``--array`` of each call of sbatch, the head's first; ``""`` is no array."""
    for job in plan.jobs:
        arrays = ("",) if job.role in HEAD_ROLES else first_arrays(plan)
        yield from ((job.role, array) for array in arrays)


def _submit_all(run_dir: RunDir, plan: Plan, jobs: list[SubmittedJob]) -> None:
    """Submit all scripts, and add each job to `jobs`; workers wait until the head has begun.

    An interrupt between an sbatch and its line in the record would leave a job that nobody
    knows, so it is held back.
    """
    for role, array in _arrays(plan):
        head = next((job.job_id for job in jobs if job.role in HEAD_ROLES), "")
        after = (f"--dependency=after:{head}",) if head else ()
        with deferred_signals():
            job = submit_job(run_dir, role, slurm_bin=plan.slurm_bin, array=array, args=after)
            jobs.append(job)


def _take_back(run_dir: RunDir, plan: Plan, jobs: list[SubmittedJob]) -> None:
    """Cancel what was submitted of a run that could not be submitted whole, and mark it."""
    with deferred_signals():
        ids = [job.job_id for job in jobs]
        try:
            scancel(ids, slurm_bin=plan.slurm_bin)
            if run_dir.jobs.exists():
                mark_cancelled(run_dir, why="not all of its jobs could be submitted")
        except SchedulerError as error:
            raise SchedulerError(
                f"jobs {', '.join(ids)} were submitted and could not be cancelled again: "
                f"{error.message}",
                hint=f"Cancel them with `hpckit cancel {plan.run}`.",
            ) from error


def mark_cancelled(run_dir: RunDir, *, why: str) -> None:
    """Write ``cancel.json``: head and workers that see it leave.

    Raises:
        StorageError: the run directory cannot be written.
    """
    body = {"schema": "hpckit.cancel/1", "at": time.time(), "why": why}
    write_atomically(run_dir.cancel, json.dumps(body, indent=1))
