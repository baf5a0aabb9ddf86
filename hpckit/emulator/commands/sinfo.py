"""sinfo: partitions and nodes. Source: sinfo(1)."""

from __future__ import annotations

import os
import sys
from typing import Any

from hpckit.emulator.commands import client
from hpckit.emulator.commands.getopt import Parser, UsageError, convert
from hpckit.emulator.commands.options import NONE, Option
from hpckit.emulator.core import formats, hostlist

NAME = "sinfo"
_DEFAULT = "%#P %.5a %.10l %.6D %.6t %N"
_LONG = "%#P %.5a %.10l %.10s %.4r %.8h %.10g %.6D %.11T %N"
_SUMMARY = "%#P %.5a %.10l %.16F %N"
_NODES = "%#9N %.6D %.9P %6t"
_NODES_LONG = "%#9N %.6D %.9P %.11T %4c %.8z %.6m %.8d %.6w %.8f %20E"
_REASONS = "%20E %9u %19H %N"
_TABLE = (
    Option("all", "a", NONE), Option("dead", "d", NONE), Option("exact", "e", NONE),
    Option("format", "o"), Option("Node", "N", NONE), Option("long", "l", NONE),
    Option("list-reasons", "R", NONE), Option("nodes", "n"), Option("noheader", "h", NONE),
    Option("partition", "p"), Option("responding", "r", NONE), Option("states", "t"),
    Option("summarize", "s", NONE), Option("verbose", "v", NONE), Option("version", "V", NONE),
    Option("hide", argument=NONE), Option("help", argument=NONE), Option("sort", "S"),
)  # fmt: skip
_REFUSED = (
    Option("Format", "O"), Option("clusters", "M"), Option("federation", argument=NONE),
    Option("iterate", "i"), Option("json", argument=NONE), Option("yaml", argument=NONE),
    Option("reservation", "T", NONE), Option("local", argument=NONE),
)  # fmt: skip
_SHORT = {"allocated": "alloc", "mixed": "mix", "draining": "drng", "drained": "drain"}
_ORDER = ("down", "draining", "drained", "mixed", "allocated", "idle")


def main(state_dir: str, words: list[str]) -> int:
    """Run sinfo; return its exit code."""
    try:
        found, rest = Parser(NAME, _TABLE, _REFUSED).parse(words, permute=True)
        chosen = {option.long: convert(NAME, option, value) for option, value in found}
        if rest:
            raise UsageError(f"error: Unrecognized option: {rest[0]}")
        if "help" in chosen:
            names = "\n".join(f"  --{option.long}" for option in _TABLE)
            sys.stdout.write(f"Usage: sinfo [OPTIONS]\n{names}\n")
            return 0
        if "version" in chosen:
            sys.stdout.write(client.VERSION + "\n")
            return 0
        data = client.ask(state_dir, {"op": "cluster"})
        sys.stdout.write(_render(data, chosen))
    except UsageError as error:
        client.complain(NAME, str(error))
        return 1
    except client.ControllerError as error:
        client.complain("slurm_load_partitions error" if error.code == "unreachable" else NAME,
                        error.text)  # fmt: skip
        return 1
    return 0


def _render(data: dict[str, Any], chosen: dict[str, Any]) -> str:
    form = str(chosen.get("format") or os.environ.get("SINFO_FORMAT") or _form(chosen))
    rows = _rows(data, chosen, form)
    heading = "noheader" not in chosen
    parts = _parse(form)
    lines: list[list[str]] = []
    if heading:
        lines.append([_FIELDS[letter][0] if letter else "" for _, _, letter, _ in parts])
    lines += [[str(_FIELDS[letter][1](row)) if letter else "" for _, _, letter, _ in parts]
              for row in rows]  # fmt: skip
    auto = [max((len(line[i]) for line in lines), default=0) for i in range(len(parts))]
    text = []
    for line in lines:
        cells = [_fit(value, part, auto[i])
                 for i, (value, part) in enumerate(zip(line, parts, strict=True))]  # fmt: skip
        text.append("".join(cells) + "\n")
    stamp = ""
    if "long" in chosen and "format" not in chosen:
        import time

        stamp = time.strftime("%a %b %d %H:%M:%S %Y\n", time.localtime(data["now"]))
    return stamp + "".join(text)


def _form(chosen: dict[str, Any]) -> str:
    if "list-reasons" in chosen:
        return _REASONS
    if "Node" in chosen:
        return _NODES_LONG if "long" in chosen else _NODES
    if "summarize" in chosen:
        return _SUMMARY
    return _LONG if "long" in chosen else _DEFAULT


def _parse(form: str) -> list[tuple[str, int, str, str]]:
    parts: list[tuple[str, int, str, str]] = []
    before, *fields = form.split("%")
    if before:
        parts.append(("", 0, "", before))
    for field in fields:
        flag = field[0] if field[:1] in (".", "#") else ""
        rest = field[len(flag) :]
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        letter, text = rest[len(digits) : len(digits) + 1], rest[len(digits) + 1 :]
        if letter not in _FIELDS:
            raise UsageError(f"error: Invalid node format specification: {letter}")
        parts.append((flag, int(digits or 0), letter, text))
    return parts


def _fit(text: str, part: tuple[str, int, str, str], auto: int) -> str:
    flag, width, letter, after = part
    if not letter:
        return after
    if flag == "#":
        return text.ljust(max(auto, width)) + after
    if width:
        text = text[:width].rjust(width) if flag == "." else text[:width].ljust(width)
    return text + after


def _rows(data: dict[str, Any], chosen: dict[str, Any], form: str) -> list[dict[str, Any]]:
    by_name = {node["name"]: node for node in data["nodes"]}
    wanted = set(hostlist.expand(str(chosen["nodes"]))) if "nodes" in chosen else set(by_name)
    partitions = str(chosen["partition"]).split(",") if "partition" in chosen else None
    rows: list[dict[str, Any]] = []
    letters = {letter for _, _, letter, _ in _parse(form)}
    per_state = bool(letters & set("tTeE")) or not letters & set("FCA")
    per_state = per_state and ("summarize" not in chosen)
    for partition in data["partitions"]:
        if partitions is not None and partition["name"] not in partitions:
            continue
        nodes = [by_name[n] for n in partition["nodes"] if n in wanted]
        nodes = [n for n in nodes if _state_wanted(n, chosen)]
        groups = _groups(
            nodes, one_by_one="Node" in chosen or bool(letters & set("no")), per_state=per_state
        )
        if not groups and "states" not in chosen and "list-reasons" not in chosen:
            groups = [[]]
        rows += [{"partition": partition, "nodes": group, "data": data} for group in groups]
    for key in reversed(str(chosen.get("sort", "")).split(",")):
        if key.lstrip("+-#") in ("P", "R"):
            rows.sort(key=lambda row: str(row["partition"]["name"]), reverse=key[0] == "-")
    if "list-reasons" in chosen:
        rows = [row for row in rows if row["nodes"] and row["nodes"][0]["reason"]]
        seen: list[str] = []
        rows = [r for r in rows if (k := r["nodes"][0]["name"]) not in seen and not seen.append(k)]  # type: ignore[func-returns-value]
    if "Node" in chosen:
        rows.sort(
            key=lambda row: list(by_name).index(row["nodes"][0]["name"]) if row["nodes"] else 0
        )
    return rows


def _state_wanted(node: dict[str, Any], chosen: dict[str, Any]) -> bool:
    if "states" in chosen:
        words = [w.lower() for w in str(chosen["states"]).split(",")]
        names = {node["state"], _SHORT.get(node["state"], node["state"])}
        if node["drain"]:
            names.add("drain")
        if not names & set(words) and "all" not in words:
            return False
    if "dead" in chosen and not node["down"]:
        return False
    if "responding" in chosen and node["down"]:
        return False
    return not ("list-reasons" in chosen and not node["reason"])


def _groups(
    nodes: list[dict[str, Any]], *, one_by_one: bool, per_state: bool
) -> list[list[dict[str, Any]]]:
    if one_by_one:
        return [[node] for node in nodes]
    if not per_state:
        return [nodes] if nodes else []
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for node in nodes:
        key = node["reason"] if node["drain"] or node["down"] else ""
        groups.setdefault((node["state"], key), []).append(node)
    return sorted(groups.values(), key=lambda g: _ORDER.index(g[0]["state"]))


def _state(row: dict[str, Any]) -> str:
    if not row["nodes"]:
        return "n/a"
    return str(row["nodes"][0]["state"]) + _star(row)


def _star(row: dict[str, Any]) -> str:
    node = row["nodes"][0]
    return "*" if node["down"] and node["reason"] == "Not responding" else ""


def _short(row: dict[str, Any]) -> str:
    if not row["nodes"]:
        return "n/a"
    state = str(row["nodes"][0]["state"])
    return _SHORT.get(state, state) + _star(row)


def _count(row: dict[str, Any], what: str) -> str:
    nodes = row["nodes"]
    if what == "nodes":
        used = sum(n["state"] in ("allocated", "mixed", "draining") for n in nodes)
        idle = sum(n["state"] == "idle" for n in nodes)
        return f"{used}/{idle}/{len(nodes) - used - idle}/{len(nodes)}"
    total = sum(n["cpus"] for n in nodes)
    used = sum(n["used_cpus"] for n in nodes)
    other = sum(n["cpus"] - n["used_cpus"] for n in nodes if n["down"] or n["drain"])
    return f"{used}/{total - used - other}/{other}/{total}"


def _first(row: dict[str, Any], key: str, none: str = "") -> str:
    return str(row["nodes"][0][key]) if row["nodes"] else none


def _gres(row: dict[str, Any]) -> str:
    gpus = row["nodes"][0]["gpus"] if row["nodes"] else 0
    return f"gpu:{gpus}" if gpus else "(null)"


def _limit(row: dict[str, Any]) -> str:
    minutes = row["partition"]["max_time_min"]
    return "infinite" if minutes < 0 else formats.short_elapsed(minutes * 60)


def _used_nodes(row: dict[str, Any]) -> str:
    nodes = row["nodes"]
    used = sum(n["state"] in ("allocated", "mixed", "draining") for n in nodes)
    return f"{used}/{sum(n['state'] == 'idle' for n in nodes)}"


_FIELDS: dict[str, tuple[str, Any]] = {
    "a": ("AVAIL", lambda r: "up" if r["partition"]["up"] else "down"),
    "A": ("NODES(A/I)", _used_nodes),
    "c": ("CPUS", lambda r: _first(r, "cpus", "0")),
    "C": ("CPUS(A/I/O/T)", lambda r: _count(r, "cpus")),
    "d": ("TMP_DISK", lambda r: "0"),
    "D": ("NODES", lambda r: str(len(r["nodes"]))),
    "e": ("FREE_MEM", lambda r: str(r["nodes"][0]["memory_mib"] - r["nodes"][0]["used_memory_mib"])
          if r["nodes"] else "0"),
    "E": ("REASON", lambda r: _first(r, "reason") or "none"),
    "f": ("AVAIL_FEATURES", lambda r: _first(r, "features") or "(null)"),
    "b": ("ACTIVE_FEATURES", lambda r: _first(r, "features") or "(null)"),
    "F": ("NODES(A/I/O/T)", lambda r: _count(r, "nodes")),
    "g": ("GROUPS", lambda r: "all"),
    "G": ("GRES", _gres),
    "h": ("OVERSUBS", lambda r: "NO"),
    "H": ("TIMESTAMP", lambda r: formats.stamp(r["nodes"][0]["reason_at"] or None, "Unknown")
          if r["nodes"] else "Unknown"),
    "l": ("TIMELIMIT", _limit),
    "L": ("DEFAULTTIME", lambda r: formats.short_elapsed(r["partition"]["default_time_min"] * 60)
          if r["partition"]["default_time_min"] else "n/a"),
    "m": ("MEMORY", lambda r: _first(r, "memory_mib", "0")),
    "M": ("PREEMPT_MODE", lambda r: "REQUEUE" if r["partition"]["preempt"] else "OFF"),
    "n": ("HOSTNAMES", lambda r: hostlist.compress(n["name"] for n in r["nodes"])),
    "N": ("NODELIST", lambda r: hostlist.compress(n["name"] for n in r["nodes"])),
    "o": ("NODE_ADDR", lambda r: ",".join(n["address"] for n in r["nodes"])),
    "O": ("CPU_LOAD", lambda r: "0.00"),
    "p": ("PRIO_TIER", lambda r: str(r["partition"]["priority_tier"])),
    "P": ("PARTITION", lambda r: r["partition"]["name"] + "*" * r["partition"]["default"]),
    "r": ("ROOT", lambda r: "no"),
    "R": ("PARTITION", lambda r: r["partition"]["name"]),
    "s": ("JOB_SIZE", lambda r: "1-infinite" if r["partition"]["max_nodes"] < 0
          else f"1-{r['partition']['max_nodes']}"),
    "t": ("STATE", _short),
    "T": ("STATE", _state),
    "u": ("USER", lambda r: "root" if _first(r, "reason") else "Unknown"),
    "v": ("VERSION", lambda r: "22.05.8"),
    "V": ("CLUSTER", lambda r: "N/A"),
    "w": ("WEIGHT", lambda r: "1"),
    "X": ("SOCKETS", lambda r: _first(r, "cpus", "0")),
    "Y": ("CORES", lambda r: "1"),
    "Z": ("THREADS", lambda r: "1"),
    "z": ("S:C:T", lambda r: f"{_first(r, 'cpus', '0')}:1:1"),
}  # fmt: skip
