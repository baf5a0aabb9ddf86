"""docs/reference/conformance.md: the case for each option, variable, state …"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tests.conformance.case import Case
from tests.conformance.inventory import kinds, topics_of

HEAD = """# What the emulated Slurm holds to

Written by `make conformance-table`; a test holds it to the cases. Each line names what a script
can use or see, and the cases in `tests/conformance/cases/` that hold on a real Slurm 22.05 and
on the emulated one with the same assertions (`make conformance`).
"""

TITLES = {
    "sbatch": "sbatch: options and ways of use",
    "srun": "srun: options and ways of use",
    "squeue": "squeue: fields and options",
    "sacct": "sacct: fields and options",
    "scontrol": "scontrol",
    "sinfo": "sinfo: fields and options",
    "scancel": "scancel",
    "env": "Variables, of jobs and of the commands",
    "pattern": "Patterns in file names",
    "state": "States of jobs and nodes",
    "reason": "Reasons for waiting and ends",
    "dependency": "Dependencies",
    "signal": "Who hears which signal",
    "error": "What is refused",
}


def cases_of_topics(cases: Sequence[Case]) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        for topic in case.topics:
            found[topic].append(case)
    return found


def uncovered(cases: Sequence[Case]) -> list[str]:
    """Return the topics of the inventory that no case proves."""
    found = cases_of_topics(cases)
    return [topic for kind in kinds() for topic in topics_of(kind) if topic not in found]


def render(cases: Sequence[Case]) -> str:
    """Return the document: the number of cases per group, and a table per kind of topic."""
    groups: dict[str, int] = defaultdict(int)
    for case in cases:
        groups[case.group] += 1
    lines = [HEAD, "| group | cases |", "|---|---|"]
    lines += [f"| {group} | {count} |" for group, count in sorted(groups.items())]
    lines += [f"| **all** | **{len(cases)}** |", ""]
    found = cases_of_topics(cases)
    for kind in kinds():
        lines += [f"## {TITLES[kind]}", "", "| | cases |", "|---|---|"]
        lines += [_row(topic, found.get(topic, [])) for topic in topics_of(kind)]
        lines.append("")
    return "\n".join(lines)


def _row(topic: str, cases: Sequence[Case]) -> str:
    word = topic.partition(" ")[2]
    names = "; ".join(_name(case) for case in cases)
    return f"| `{word}` | {names} |"


def _name(case: Case) -> str:
    return f"{case.group}: {case.title}" + (f" (since {case.since})" if case.since else "")
