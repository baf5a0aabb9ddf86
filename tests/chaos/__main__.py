"""``python -m tests.chaos --rounds 40 --seed 1 --place emulated``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.chaos.cluster import emulated_cluster, end_cluster_on_signal, real_cluster
from tests.chaos.fault_schedule import schedule_rounds
from tests.chaos.run_round import run_round

RESULTS: Final = Path("results/chaos.json")
Played = dict[int, dict[str, Any]]


def main() -> int:
    """Run the rounds of a seed that have not passed yet; return 1 on any miss."""
    options = _options()
    end_cluster_on_signal()
    log = _log_path(options.cluster_kind, options.seed)
    played = {} if options.fresh else _read(log)
    private_cluster = emulated_cluster if options.cluster_kind == "emulated" else real_cluster
    with private_cluster() as here:
        rounds = schedule_rounds(
            options.cluster_kind, options.seed, options.rounds, small_disk=here.small_disk
        )
        if options.round:
            rounds = [each for each in rounds if each.number == options.round]
        for each in rounds:
            if not options.round and played.get(each.number, {}).get("passed"):
                continue
            print(f"round {each.number}: {each.backend} {each.shape}, {each.tasks} tasks of "
                  f"0.{each.length} s, {', '.join(each.faults)}", flush=True)  # fmt: skip
            outcome = run_round(here, each)
            played[each.number] = outcome.to_dict()
            _print_outcome(played[each.number])
            _write(log, played)
            if not outcome.passed and options.keep:
                _keep(here.runs / f"c{each.number}")
    wanted = {each.number for each in rounds}
    return _summarise(options, {n: o for n, o in played.items() if n in wanted})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, default=0, help="run only this round, again")
    parser.add_argument(
        "--place", dest="cluster_kind", choices=["emulated", "slurm"], default="emulated"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="run rounds again that have passed before"
    )
    parser.add_argument(
        "--keep", action="store_true", help="copy the run directory of a round that fails"
    )
    found = parser.parse_args()
    found.rounds = max(found.rounds, found.round)
    return found


def _log_path(cluster_kind: str, seed: int) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hpckit" / "chaos"
    cache.mkdir(parents=True, exist_ok=True)
    return cache / f"{cluster_kind}-{seed}.json"


def _read(log: Path) -> Played:
    try:
        return {int(number): outcome for number, outcome in json.loads(log.read_text()).items()}
    except (OSError, ValueError):
        return {}


def _write(log: Path, played: Played) -> None:
    log.with_suffix(".new").write_text(json.dumps(played, indent=1))
    log.with_suffix(".new").replace(log)


def _print_outcome(outcome: dict[str, Any]) -> None:
    for fault, words in outcome["effects"].items():
        print(f"  {fault}: {words}")
    for miss in outcome["misses"][:12]:
        print(f"  MISS {miss}")
    word = "passed" if outcome["passed"] else "FAILED"
    print(f"  {word} in {outcome['seconds']} s; {outcome['redone']} starts again, "
          f"{outcome['resumes']} resumes", flush=True)  # fmt: skip


def _keep(run_dir: Path) -> None:
    """Copy a run directory to /var/tmp: its cluster is removed at the end."""
    target = Path(f"/var/tmp/hpckit-chaos-{int(time.time())}")
    subprocess.run(["cp", "-a", str(run_dir), str(target)], check=False)
    print(f"  run directory copied to {target}")


def _summarise(options: argparse.Namespace, played: Played) -> int:
    effects: Counter[str] = Counter()
    for outcome in played.values():
        effects.update(f for f, words in outcome["effects"].items() if "NO EFFECT" not in words)
    failed = [n for n, outcome in played.items() if not outcome["passed"]]
    least = 5 if len(played) >= 40 else 1
    where = options.cluster_kind
    checks = [_check(f"{where}: rounds that failed", len(failed), 0, not failed)]
    few = min((len(o["effects"]) for o in played.values()), default=0)
    checks.append(_check(f"{where}: least faults that took effect in a round", few, 3, few >= 3))
    for fault, count in sorted(effects.items()):
        checks.append(_check(f"{where}: times {fault}", count, least, count >= least))
    if options.round:
        return int(bool(failed))
    _write_results(where, options, played, checks)
    print(f"{len(played)} rounds, {len(failed)} failed; see {RESULTS}")
    return int(any(not check["pass"] for check in checks))


def _check(name: str, value: float, limit: float, passed: bool) -> dict[str, Any]:
    return {"name": name, "value": value, "limit": limit, "pass": passed}


def _write_results(
    where: str, options: argparse.Namespace, played: Played, checks: list[dict[str, Any]]
) -> None:
    """Replace this cluster's part of the results; the other cluster's part stays."""
    try:
        document = json.loads(RESULTS.read_text())
    except (OSError, ValueError):
        document = {"schema": "hpckit.chaos/1", "checks": [], "places": {}}
    others = [c for c in document["checks"] if not c["name"].startswith(f"{where}:")]
    document["checks"] = sorted(others + checks, key=lambda check: check["name"])
    document["places"][where] = {
        "seed": options.seed,
        "rounds": len(played),
        "redone": sum(outcome["redone"] for outcome in played.values()),
        "seconds": round(sum(outcome["seconds"] for outcome in played.values())),
        "summary": [_line(outcome) for _, outcome in sorted(played.items())],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _line(outcome: dict[str, Any]) -> str:
    each = outcome["round"]
    word = "passed" if outcome["passed"] else f"FAILED ({outcome['misses'][0]})"
    return (
        f"{each['number']}: {each['backend']} {each['shape']}, {each['tasks']} tasks, "
        f"{', '.join(each['faults'])}: {word}, {outcome['redone']} starts again, "
        f"{outcome['resumes']} resumes, {outcome['seconds']} s"
    )


if __name__ == "__main__":
    sys.exit(main())
