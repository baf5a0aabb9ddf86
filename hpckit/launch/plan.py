"""From bag, site and flags to the plan. Pure: nothing is asked, nothing is created."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from math import ceil

from hpckit.engines.registry import ENGINES
from hpckit.errors import InputError
from hpckit.launch.directives import check_site_directives, check_user_directives
from hpckit.launch.jobs import Jobs
from hpckit.launch.naming import check_path, refuse_node_local, run_name, run_root
from hpckit.launch.partition import choose_partitions
from hpckit.launch.request import Request
from hpckit.launch.resources import choose_sizes
from hpckit.launch.walltime import warning_s
from hpckit.model.bag import Bag, Environment
from hpckit.model.expand import task_settings
from hpckit.model.plan import Plan
from hpckit.model.site import Site, SiteEnvironment
from hpckit.model.task import Backend, Shape

__all__ = ["Request", "make_plan"]

MAX_TASKS = 100_000_000  # the head holds some bytes of each, and the journal a line of a hundred


def make_plan(bag: Bag, site: Site, request: Request) -> Plan:
    """Return everything that will happen, decided.

    Raises:
        InputError: a flag cannot be used, the site demands something that was not given, no node
            can hold a task, or the bag has none.
    """
    _check_count(bag, request.tasks)
    check_user_directives(request.sbatch)
    check_site_directives(site)
    backend, shape, notes = _engine(request)
    choices = choose_partitions(site, request)
    sizes = choose_sizes(bag, request, site, choices, (backend, shape))
    run = run_name(bag.name, request)
    settings = task_settings(bag, run)
    cwd = settings.cwd or bag.submitted_from
    _check_cwd(cwd, site)
    run_dir = f"{run_root(site, request)}/{run}"
    of_run = Jobs(
        run=run, run_dir=run_dir, cwd=cwd, site=site, choices=choices, sizes=sizes,
        user=request.sbatch,
    )  # fmt: skip
    return Plan(
        run=run,
        run_dir=run_dir,
        bag=bag.name,
        backend=backend,
        shape=shape,
        site=site.name,
        scheduler=site.scheduler,
        slurm_bin=request.slurm_bin if site.scheduler == "emulated" else site.slurm_bin,
        python=site.python or request.python,
        tasks=request.tasks,
        head=sizes.head if ENGINES[backend].joins else sizes.worker,
        worker=sizes.worker,
        workers=sizes.workers,
        **_bounds(request, sizes.workers),
        max_failures=_max_failures(request),
        task_settings=settings,
        retries=bag.retries,
        warning_s=warning_s(sizes.head.walltime_s),
        setup=(*_setup(site.environment), *_setup(bag.environment)),
        jobs=of_run.all(backend, shape),
        interface=site.interface,
        port_range=site.port_range,
        node_tmp=site.node_tmp,
        compute_nodes_submit=site.compute_nodes_submit,
        max_array_size=site.limits.max_array_size,
        notes=(*notes, *sizes.notes),
    )


def _check_count(bag: Bag, tasks: int) -> None:
    if tasks < 1:
        raise InputError(f"bag {bag.name!r} has no tasks", hint="Look at its [each] table.")
    if tasks > MAX_TASKS:
        raise InputError(
            f"bag {bag.name!r} has {tasks:,} tasks, more than the {MAX_TASKS:,} that a run can "
            "keep account of",
            hint="Let one task do many inputs; or does [each] multiply what it should not?",
        )


def _engine(request: Request) -> tuple[Backend, Shape, list[str]]:
    """Return backend and shape, and what to say when we chose the backend."""
    notes = []
    backend = request.backend
    if backend is None:
        backend = request.backends[0]
        others = ", ".join(name for name in request.backends[1:])
        notes.append(f"backend: {backend}" + (f" (also installed: {others})" if others else ""))
    shape = request.shape or ENGINES[backend].shape
    if shape == "array" and not ENGINES[backend].joins:
        raise InputError(
            f"{ENGINES[backend].title} works on the head's own node: it has no array of workers",
            hint="Leave --shape out, or choose another --backend.",
        )
    if request.worker_partition and shape != "array":
        raise InputError(
            f"--worker-partition {request.worker_partition}: in the {shape} shape head and "
            f"workers are one job, in one partition",
            hint="Add --shape array, or use --partition.",
        )
    _check_bounds(request, shape)
    return backend, shape, notes


def _check_bounds(request: Request, shape: Shape) -> None:
    """Refuse numbers of workers that contradict one another, or the shape."""
    nodes, least, most = request.nodes, request.min_workers, request.max_workers
    given = (("--min-workers", least), ("--max-workers", most))
    bounds = ", ".join(f"{flag} {number}" for flag, number in given if number is not None)
    if bounds and shape != "array":
        raise InputError(
            f"{bounds}: only an array of workers grows and shrinks; in the {shape} shape they are "
            "the nodes of one job",
            hint="Say how many with --nodes, or add --shape array where the engine has it.",
        )
    fault = ""
    if least is not None and most is not None and least > most:
        fault = f"--min-workers {least} is more than --max-workers {most}"
    elif nodes is not None and most is not None and nodes > most:
        fault = f"--nodes {nodes} is more than --max-workers {most}"
    elif nodes is not None and least is not None and nodes < least:
        fault = f"--nodes {nodes} is less than --min-workers {least}"
    if fault:
        raise InputError(fault, hint="Leave one of them out, or give numbers that go together.")


def _bounds(request: Request, workers: int) -> dict[str, int]:
    """Return between how many workers the head keeps the array."""
    least = request.min_workers or 1
    return {"min_workers": least, "max_workers": request.max_workers or max(workers, least)}


def _max_failures(request: Request) -> int:
    """Return ``--max-failures N`` or ``P%`` as a number of tasks; 0 for any number."""
    text = request.max_failures.strip()
    number = text.removesuffix("%")
    if not text:
        return 0
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) or float(number) <= 0:
        raise InputError(
            f"--max-failures {text!r} is no number of tasks and no percentage",
            hint="For example --max-failures 10 or --max-failures 5%.",
        )
    if text.endswith("%") and float(number) > 100:
        raise InputError(
            f"--max-failures {text!r} can never be reached",
            hint="Leave it out: then the run goes on to its end, whatever fails.",
        )
    if text.endswith("%"):
        return max(1, ceil(request.tasks * float(number) / 100))
    return ceil(float(number))


def _check_cwd(path: str, site: Site) -> None:
    check_path(path, "the working directory")
    if site.scheduler == "slurm":
        refuse_node_local(path, site.node_tmp, "tasks would run in")


def _setup(environment: SiteEnvironment | Environment) -> Iterator[str]:
    """Yield the shell lines of a site's or a bag's environment, modules first."""
    if environment.modules:
        yield f"module load {shlex.join(environment.modules)}"
    yield from environment.setup
