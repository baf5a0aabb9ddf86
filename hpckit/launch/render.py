"""A plan's sbatch scripts. Pure: rendering changes nothing.

Templates hold shell, Python holds decisions: what a template gets is the plan, and the job
whose script it is.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from hpckit.assets import asset_dir
from hpckit.model.plan import JobPlan, Plan

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Script:
    """One sbatch script: `name` is its role, and its file's name less ``.sh``."""

    name: str
    text: str


def render(plan: Plan) -> tuple[Script, ...]:
    """Return the scripts of a plan, in the order in which they are submitted.

    Raises:
        jinja2.UndefinedError: a template names what there is not, which is a bug.
    """
    return tuple(Script(job.role, _render_job(plan, job)) for job in plan.jobs)


def _render_job(plan: Plan, job: JobPlan) -> str:
    template = _environment().get_template(f"{job.role}.sh.j2")
    directives = tuple(_split(directive) for directive in job.directives)
    text = template.render(plan=plan, job={"role": job.role, "directives": directives})
    return text.rstrip("\n") + "\n"


def _split(directive: str) -> tuple[str, str | None]:
    name, equals, value = directive.partition("=")
    return name, value if equals else None


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(asset_dir("templates")),
        undefined=StrictUndefined,
        autoescape=False,  # shell, not HTML; `quote` is the escape
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quote"] = shlex.quote
    return environment
