"""The functions that the command line and a Python user both call.

They return values, with notes for the user where there are any. They print nothing and exit
nothing, and every fault is an `hpckit.errors.HpckitError`.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path

from hpckit.engines.registry import installed
from hpckit.errors import RunExistsError
from hpckit.launch.discover import complete_site
from hpckit.launch.emulated_cluster import emulated_bin
from hpckit.launch.inputs import MissingInputs
from hpckit.launch.plan import make_plan
from hpckit.launch.preflight import preflight_notes
from hpckit.launch.request import Request, RunOptions
from hpckit.launch.submit import Submitted, submit
from hpckit.model.bag import Bag, bag_from_command, load_bag
from hpckit.model.expand import count, expand
from hpckit.model.plan import Plan
from hpckit.model.site import Site
from hpckit.model.site_files import ResolvedSite, load_site, recognise
from hpckit.run.find_run import all_runs, remember_run
from hpckit.slurm.jobs import reachable

__all__ = [
    "RunOptions",
    "bag_from_command",
    "check_inputs",
    "find_site",
    "load_bag",
    "plan_run",
    "start_run",
    "start_under_free_name",
]


def find_site(name: str | None = None) -> tuple[ResolvedSite, str]:
    """Return the site of this name, else the one that this machine is, and a note of the choice.

    Raises:
        InputError: there is no such site, or its file has a fault.
    """
    if name is not None:
        return load_site(name), ""
    found, reason = recognise(os.environ, os.uname().nodename, lambda: reachable(""))
    return load_site(found), f"site: {found} ({reason})"


def plan_run(
    bag: Bag, site: Site, options: RunOptions | None = None, *, taken: Set[str] = frozenset()
) -> Plan:
    """Return the plan of a run; its `notes` say what was chosen, cut or not found.

    Args:
        bag: the tasks.
        site: where they run.
        options: what the user asks for beyond bag and site.
        taken: names that the run may not have, beyond those of the runs that exist.

    Raises:
        InputError: the bag has a fault, or does not fit the site.
    """
    site = complete_site(site, bag)
    plan = make_plan(bag, site, _request(bag, site, options or RunOptions(), taken))
    return replace(plan, notes=(*plan.notes, *preflight_notes(bag, site)))


def check_inputs(bag: Bag) -> str:
    """Go through all tasks of a bag; return a note on inputs that are not there, ``""`` if none.

    Raises:
        InputError: a task has a fault that shows only when it is made.
    """
    missing = MissingInputs()
    deque(map(missing.marks, expand(bag)), maxlen=0)
    return missing.note


def start_run(
    bag: Bag, site: ResolvedSite, plan: Plan, *, argv: Iterable[str] | None = None
) -> Submitted:
    """Make the run directory, submit the jobs, and remember where the run is.

    Args:
        bag: the tasks.
        site: the site of the plan, with the origins of its values.
        plan: what `plan_run` returned for both.
        argv: the command line, for the record; by default this process's.

    Raises:
        RunExistsError: the name is taken.
        InputError: the bag has a fault.
        StorageError: the directory cannot be written.
        SchedulerError: sbatch refused, or the emulated cluster does not start.
    """
    words = tuple(sys.argv if argv is None else argv)
    done = submit(bag, site.site, plan, origins=site.origins, argv=words)
    remember_run(done.run_dir)
    return done


def start_under_free_name(
    bag: Bag, site: ResolvedSite, plan: Plan, options: RunOptions
) -> tuple[Plan, Submitted]:
    """Start the run; if others took its name in the same second, under the next free one.

    A name that the user chose is not changed.

    Raises:
        RunExistsError: the user's own name is taken; else as `start_run`.
    """
    taken: set[str] = set()
    while True:
        try:
            return plan, start_run(bag, site, plan)
        except RunExistsError:
            if options.name:
                raise
            taken.add(plan.run)
            plan = plan_run(bag, site.site, options, taken=taken)


def _request(bag: Bag, site: Site, options: RunOptions, taken: Set[str]) -> Request:
    asked: Mapping[str, object] = vars(options)
    return Request(
        tasks=count(bag),
        now=time.time(),
        python=sys.executable,
        cwd=str(Path.cwd()),
        environ=dict(os.environ),
        backends=installed(),
        slurm_bin=emulated_bin(site) if site.scheduler == "emulated" else "",
        taken=frozenset({run.root.name for run in all_runs()} | taken),
        **asked,  # type: ignore[arg-type]  # the fields of a parent class
    )
