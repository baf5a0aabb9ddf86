"""Turn what sbatch (or srun outside a job) sent into a request.

The command has checked the form of each option; this module combines them with Slurm's
defaults. Source: sbatch(1).
"""

from __future__ import annotations

import os
from typing import Any

from hpckit.emulator.core import formats, hostlist
from hpckit.emulator.core.model import Request
from hpckit.emulator.core.refusal import Refusal

_MAY_BE_ANY = ("account", "qos", "comment", "wckey", "export", "hint")


def request_from(message: dict[str, Any], now: float) -> Request:
    """Return the checked request of a submission.

    Raises:
        Refusal: a node list, a constraint or a generic resource cannot be read.
    """
    given: dict[str, Any] = message["options"]
    least, most = given.get("nodes") or (1, 0)
    warn = given.get("signal") or {}
    gres = _gres(given)
    work_dir = os.path.normpath(os.path.join(message["cwd"], given.get("chdir", "")))  # noqa: PTH118
    return Request(
        name=given.get("job-name") or message["default_name"],
        user=message["user"], uid=message["uid"], gid=message["gid"],
        submit_host=message["host"], submit_dir=message["cwd"],
        submit_line=message.get("submit_line", ""), work_dir=work_dir,
        partitions=tuple(p for p in given.get("partition", "").split(",") if p),
        min_nodes=least, max_nodes=most,
        ntasks=given.get("ntasks", 0), ntasks_per_node=given.get("ntasks-per-node", 0),
        cpus_per_task=given.get("cpus-per-task", 0),
        mem_per_node_mib=given.get("mem", -1), mem_per_cpu_mib=given.get("mem-per-cpu", -1),
        gpus=given.get("gpus", 0), gpus_per_task=given.get("gpus-per-task", 0),
        gpus_per_node=given.get("gpus-per-node", 0) or gres,
        gpus_by_node="gpus-per-node" in given,
        nice=given.get("nice", 0), exclusive="exclusive" in given,
        nodelist=_hosts(given.get("nodelist", "")), exclude=_hosts(given.get("exclude", "")),
        features=_features(given.get("constraint", "")),
        time_limit_min=_limit(given.get("time", 0)),
        requeue="no-requeue" not in given,
        no_kill="no-kill" in given and given["no-kill"] != "off",
        begin=_begin(given.get("begin", ""), now),
        dependency=given.get("dependency", ""),
        kill_invalid_dependency=given.get("kill-on-invalid-dep", "no") == "yes",
        warn_signal=warn.get("signal", 0), warn_lead_s=warn.get("lead_s", 0),
        warn_batch=warn.get("batch", False),
        command=message.get("command", ""), arguments=tuple(message.get("arguments", ())),
        stdin=given.get("input", "/dev/null"), stdout=given.get("output", ""),
        stderr=given.get("error", ""), open_mode=given.get("open-mode", ""),
        interactive=message.get("interactive", False),
        **{name: given.get(name, "") for name in _MAY_BE_ANY},
    )  # fmt: skip


def _limit(minutes: int) -> int:
    return minutes  # 0 means the partition's default, -1 none


def _begin(text: str, now: float) -> float:
    if not text:
        return 0.0
    try:  # clock times are the machine's; "now" is the cluster's
        when = formats.parse_begin(text, now)
    except ValueError:
        raise Refusal("begin", "Invalid --begin specification") from None
    return when if when > now + 0.001 else 0.0


def _hosts(text: str) -> tuple[str, ...]:
    try:
        return tuple(hostlist.expand(text))
    except ValueError:
        raise Refusal("invalid_node") from None


def _features(text: str) -> tuple[str, ...]:
    if any(char in text for char in "|[]*()"):
        raise Refusal("invalid_feature")
    return tuple(word for word in text.replace(",", "&").split("&") if word)


def _gres(given: dict[str, Any]) -> int:
    counts: dict[str, int] = given.get("gres", {})
    if any(name != "gpu" for name in counts):
        raise Refusal("gres")
    return counts.get("gpu", 0)
