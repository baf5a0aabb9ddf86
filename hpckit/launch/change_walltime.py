"""Another walltime for a run that has ended: its plan and its scripts are written again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from hpckit.common.io_retry import retry_io
from hpckit.errors import StorageError
from hpckit.launch.directives import key_of
from hpckit.launch.jobs import warning_directive
from hpckit.launch.partition import PartitionChoice
from hpckit.launch.walltime import choose_walltime, warning_s
from hpckit.model.plan import JobPlan, Plan
from hpckit.model.site import Partition, Site
from hpckit.model.units import slurm_time
from hpckit.run.rundir import RunDir, write_atomically


@contextmanager
def with_new_walltime(run_dir: RunDir, plan: Plan, walltime_s: int | None) -> Iterator[list[str]]:
    """Have the jobs that are submitted in the block run so long, cut to what their partitions
    allow; give notes for the user on what was cut. When the block fails, all is as before.

    Args:
        run_dir: the run's files.
        plan: the plan as it is.
        walltime_s: the walltime that is wished for; None: that of the plan.

    Raises:
        StorageError: a file cannot be read or written.
    """
    notes: list[str] = []
    if walltime_s is None:
        yield notes
        return
    site = Site.from_json(retry_io(run_dir.site.read_bytes, f"read {run_dir.site}"))
    with _written(run_dir, _with_walltime(plan, site, walltime_s, notes)):
        yield list(dict.fromkeys(notes))  # head and workers may have met the same limit


def _with_walltime(plan: Plan, site: Site, wish_s: int, notes: list[str]) -> Plan:
    times = [choose_walltime(wish_s, _partition_choice(site, job), notes) for job in plan.jobs]
    head_s, worker_s = times[0], times[-1]  # one job, or the head's and the workers'
    warned = warning_directive(head_s)
    return replace(
        plan,
        head=replace(plan.head, walltime_s=head_s),
        worker=replace(plan.worker, walltime_s=worker_s),
        warning_s=warning_s(head_s),
        jobs=tuple(
            _with_times(job, time_s, warned) for job, time_s in zip(plan.jobs, times, strict=True)
        ),
    )


@contextmanager
def _written(run_dir: RunDir, plan: Plan) -> Iterator[None]:
    """Have the run's plan and the times in its scripts be those of `plan`; as they were before,
    when the block fails. What else somebody has changed in the scripts stays."""
    paths = [run_dir.script(job.role) for job in plan.jobs]
    files = (*paths, run_dir.plan)
    before = retry_io(lambda: {path: path.read_text() for path in files}, f"read {run_dir.root}")
    try:
        for path, job in zip(paths, plan.jobs, strict=True):
            write_atomically(path, _with_time(before[path], job), mode=0o700)
        write_atomically(run_dir.plan, plan.to_json())
        yield
    except BaseException:
        for path, text in before.items():
            with suppress(StorageError):
                write_atomically(path, text, mode=0o600 if path == run_dir.plan else 0o700)
        raise


def _partition_choice(site: Site, job: JobPlan) -> PartitionChoice:
    """Return where a job goes, by its directives; of limits, what the site says of that place:
    of entries with one partition, the one that has most of the job's QOS and constraint."""
    words = {key_of(line): line.partition("=")[2] for line in job.directives}
    partition, qos, constraint = (
        words.get(key, "") for key in ("--partition", "--qos", "--constraint")
    )
    entries = [
        entry
        for name, entry in site.partitions.items()
        if partition == (name if entry.partition is None else entry.partition)
    ]
    like = sorted(entries, key=lambda e: (e.qos == qos, e.constraint == constraint))
    limits = like[-1] if like else Partition()
    return PartitionChoice(
        limits=limits, partition=partition, account="", qos=qos, constraint=constraint
    )


def _with_times(job: JobPlan, walltime_s: int, warned: str) -> JobPlan:
    new = {"--time": f"--time={slurm_time(walltime_s)}", "--signal": warned}
    return replace(job, directives=tuple(new.get(key_of(line), line) for line in job.directives))


def _with_time(script: str, job: JobPlan) -> str:
    """Return a script with the times of the job's directives."""
    for line in job.directives:
        if key_of(line) in ("--time", "--signal"):
            script = re.sub(rf"(?m)^#SBATCH {key_of(line)}=.*$", f"#SBATCH {line}", script)
    return script
