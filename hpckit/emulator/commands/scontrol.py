"""scontrol: show and change jobs, nodes and partitions. Source: scontrol(1)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from hpckit.emulator.commands import client, scontrol_format
from hpckit.emulator.commands.getopt import Parser, UsageError
from hpckit.emulator.commands.options import NONE, Option
from hpckit.emulator.core import hostlist

NAME = "scontrol"
_TABLE = (
    Option("oneliner", "o", NONE), Option("details", "d", NONE), Option("all", "a", NONE),
    Option("quiet", "Q", NONE), Option("verbose", "v", NONE), Option("version", "V", NONE),
    Option("help", "h", NONE), Option("hide", argument=NONE), Option("local", argument=NONE),
)  # fmt: skip
_REFUSED = (
    Option("clusters", "M"), Option("federation", argument=NONE), Option("future", "F", NONE),
    Option("json", argument=NONE), Option("yaml", argument=NONE), Option("uid", "u"),
    Option("sibling", argument=NONE),
)  # fmt: skip


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNSUPPORTED = _words(
    "abort cancel_reboot cluster completing create delete errnumstr fsdampeningfactor "
    "getaddrs listpids notify pidinfo power reboot reconfigure resume schedloglevel "
    "setdebug setdebugflags shutdown suspend takeover token top wait_job write callerid "
    "bbstat dwstat"
)


def main(state_dir: str, words: list[str]) -> int:
    """Run scontrol; return its exit code."""
    try:
        found, rest = Parser(NAME, _TABLE, _REFUSED).parse(words, permute=True)
    except UsageError as error:
        client.complain(NAME, str(error))
        sys.stderr.write('Try "scontrol --help" for more information\n')
        return 1
    chosen = {option.long for option, _ in found}
    if "version" in chosen:
        sys.stdout.write(client.VERSION + "\n")
        return 0
    if not rest:
        sys.stderr.write("scontrol: error: the interactive mode is not supported by hpckit's "
                         "emulated Slurm; give a command\n")  # fmt: skip
        return 1
    try:
        return _command(state_dir, rest, chosen)
    except client.ControllerError as error:
        sys.stderr.write(f"{error.text}\n")
        return 1


def _command(state_dir: str, words: list[str], chosen: set[str]) -> int:
    verb, *rest = words
    if verb.lower() == "write" and rest[:1] == ["batch_script"]:
        return _write_script(state_dir, rest[1:])
    if verb.lower() == "update" and len(rest) > 1 and "=" not in rest[0]:
        rest = [f"{rest[0]}={rest[1]}", *rest[2:]]  # "update job 7 timelimit=5"
    verbs: dict[str, Callable[[], int]] = {
        "show": lambda: _show(state_dir, rest, chosen),
        "ping": lambda: _ping(state_dir),
        "version": lambda: _say(client.VERSION + "\n"),
        "hold": lambda: _each(state_dir, "hold", rest, {"user": True}),
        "uhold": lambda: _each(state_dir, "hold", rest, {"user": True}),
        "release": lambda: _each(state_dir, "release", rest, {}),
        "requeue": lambda: _each(state_dir, "requeue", rest, {}),
        "requeuehold": lambda: _each(state_dir, "requeue", rest, {"hold": True}),
        "update": lambda: _update(state_dir, rest),
    }
    matching = [name for name in verbs if name.startswith(verb.lower())]
    if verb.lower() in verbs or len(matching) == 1:
        return verbs[verb.lower() if verb.lower() in verbs else matching[0]]()
    if verb.lower() in _UNSUPPORTED:
        sys.stderr.write(f"scontrol: error: {verb} is not supported by hpckit's emulated Slurm\n")
        return 1
    sys.stderr.write(f"invalid keyword: {verb}\n")
    return 1


def _write_script(state_dir: str, words: list[str]) -> int:
    """Write a job's script to a file, or with ``-`` to stdout."""
    if not words:
        sys.stderr.write("too few arguments for keyword:write batch_script\n")
        return 1
    text = client.ask(state_dir, {"op": "script", "target": words[0]})["text"]
    name = words[1] if len(words) > 1 else f"slurm-{words[0]}.sh"
    if name == "-":
        return _say(text + "\n")
    with open(name, "w", errors="surrogateescape") as file:  # noqa: PTH123
        file.write(text)
    return _say(f"batch script for job {words[0]} written to {name}\n")


def _say(text: str) -> int:
    sys.stdout.write(text)
    return 0


def _ping(state_dir: str) -> int:
    import socket

    host = socket.gethostname()
    try:
        client.ask(state_dir, {"op": "cluster"})
    except client.ControllerError:
        sys.stdout.write(f"Slurmctld(primary) at {host} is DOWN\n")
        return 1
    return _say(f"Slurmctld(primary) at {host} is UP\n")


# -- show ----------------------------------------------------------------------------------


def _show(state_dir: str, words: list[str], style: set[str]) -> int:
    if not words:
        sys.stderr.write("too few arguments for keyword:show\n")
        return 1
    what, names = words[0].lower(), words[1:]
    oneliner = "oneliner" in style
    if what in ("hostnames", "hostname"):
        return _hostnames(names)
    if what.startswith("hostlist"):
        return _hostlist(names, ordered=what == "hostlistsorted")
    kinds: dict[str, Callable[[], int]] = {
        "job": lambda: _show_jobs(state_dir, names, style),
        "step": lambda: _show_steps(state_dir, names, oneliner),
        "node": lambda: _show_nodes(state_dir, names, oneliner),
        "partition": lambda: _show_partitions(state_dir, names, oneliner),
        "config": lambda: _say(scontrol_format.config(client.ask(state_dir, {"op": "cluster"}))),
    }
    for kind, show in kinds.items():
        if kind.startswith(what.removesuffix("s")):
            return show()
    sys.stderr.write(f"invalid entity:{words[0]} for keyword:show \n")
    return 1


def _hostnames(names: list[str]) -> int:
    text = names[0] if names else os.environ.get("SLURM_JOB_NODELIST", "")
    if not text:
        sys.stderr.write("SLURM_JOB_NODELIST must be set to use this option\n")
        return 1
    try:
        return _say("".join(name + "\n" for name in hostlist.expand(text)))
    except ValueError:
        sys.stderr.write(f"Invalid hostlist: {text}\n")
        return 1


def _hostlist(names: list[str], *, ordered: bool) -> int:
    if not names:
        sys.stderr.write("too few arguments for keyword:show hostlist\n")
        return 1
    text = names[0]
    if text.startswith("/"):
        with open(text) as file:  # noqa: PTH123
            text = ",".join(file.read().split())
    expanded = hostlist.expand(text)
    if ordered:
        expanded = sorted(expanded, key=lambda n: (n.rstrip("0123456789"), len(n), n))
    return _say(hostlist.compress(expanded) + "\n")


def _show_jobs(state_dir: str, names: list[str], style: set[str]) -> int:
    oneliner = "oneliner" in style
    jobs = client.ask(state_dir, {"op": "jobs"})["jobs"]
    for one in jobs:
        one["details"] = "details" in style
    if not names:
        return _say(
            "".join(scontrol_format.job(j, oneliner) for j in jobs) or "No jobs in the system\n"
        )
    for name in names:
        number, underscore, task = name.removeprefix("JobId=").partition("_")
        chosen = [j for j in jobs if number.isdigit()
                  and int(number) in (j["job_id"], j["array_job_id"])]  # fmt: skip
        if underscore:
            index = int(task) if task.isdigit() else -2
            chosen = [
                {**j, "array_task_id": index, "waiting": [], "waiting_text": ""}
                for j in chosen
                if j["array_task_id"] == index or index in j["waiting"]
            ]
        if not chosen:
            sys.stderr.write("slurm_load_jobs error: Invalid job id specified\n")
            return 1
        chosen.sort(key=lambda j: (not j["waiting"], -j["job_id"]))
        _say("".join(scontrol_format.job(j, oneliner) for j in chosen))
    return 0


def _show_steps(state_dir: str, names: list[str], oneliner: bool) -> int:
    jobs = client.ask(state_dir, {"op": "jobs"})["jobs"]
    shown = False
    for job in jobs:
        for step in job["steps"]:
            label = f"{job['job_id']}.{step['id']}"
            if step["live"] and (not names or names[0] in (str(job["job_id"]), label)):
                _say(scontrol_format.step(job, step, oneliner))
                shown = True
    if not shown and names:
        sys.stderr.write(f"Job step {names[0]} not found\n")
        return 1
    return 0


def _show_nodes(state_dir: str, names: list[str], oneliner: bool) -> int:
    data = client.ask(state_dir, {"op": "cluster"})
    wanted = hostlist.expand(names[0].removeprefix("NodeName=")) if names else None
    known = {node["name"]: node for node in data["nodes"]}
    for name in wanted if wanted is not None else list(known):
        if name not in known:
            sys.stdout.write(f"Node {name} not found\n")
            return 1
        _say(scontrol_format.node(known[name], data, oneliner))
    return 0


def _show_partitions(state_dir: str, names: list[str], oneliner: bool) -> int:
    data = client.ask(state_dir, {"op": "cluster"})
    name = names[0].removeprefix("PartitionName=") if names else ""
    chosen = [p for p in data["partitions"] if name in ("", p["name"])]
    if not chosen:
        sys.stdout.write(f"Partition {name} not found\n")
        return 1
    return _say("".join(scontrol_format.partition(p, data, oneliner) for p in chosen))


# -- changes -------------------------------------------------------------------------------


def _each(state_dir: str, what: str, names: list[str], extra: dict[str, Any]) -> int:
    if not names:
        sys.stderr.write(f"too few arguments for keyword:{what}\n")
        return 1
    code = 0
    for name in (part for text in names for part in hostlist._split(text)):
        if name.startswith("State="):
            continue
        message = {"op": "change", "what": what, "target": name.removeprefix("JobId="), **extra}
        try:
            client.ask(state_dir, message)
        except client.ControllerError as error:
            if error.code == "unreachable":
                raise
            subject = f"{error.text} for job {name}"
            sys.stderr.write(subject + "\n")
            code = 1
    return code


def _update(state_dir: str, words: list[str]) -> int:
    pairs = [word.partition("=") for word in words]
    values = {key: value for key, equals, value in pairs if equals}
    lower = {key.lower(): key for key in values}
    kinds = (("jobid", "job_update"), ("job", "job_update"), ("nodename", "node_update"),
             ("node", "node_update"), ("partitionname", "partition_update"),
             ("partition", "partition_update"))  # fmt: skip
    for kind, meaning in kinds:
        if kind in lower:
            what = meaning
            target = values.pop(lower[kind])
            break
    else:
        sys.stderr.write("No valid entity in update command\nInput line must include "
                         '"NodeName", "PartitionName", "JobId"\n')  # fmt: skip
        return 1
    if not values:
        sys.stderr.write("No changes specified\n")
        return 1
    targets = [target] if what != "job_update" else hostlist._split(target)
    for one in targets:
        try:
            client.ask(state_dir, {"op": "change", "what": what, "target": one, "values": values})
        except client.ControllerError as error:
            if error.code == "unreachable":
                raise
            suffix = f" for job {one}" if what == "job_update" else ""
            plain = what == "job_update" or error.code == "reason"
            prefix = "" if plain else "slurm_update error: "
            sys.stderr.write(f"{prefix}{error.text}{suffix}\n")
            return 1
    return 0
