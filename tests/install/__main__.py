"""`python -m tests.install RELEASE [JOURNEY...]`: a new user's commands on a bare Debian.

Runs all journeys except the long ``test`` unless some are named, each on a machine of its own;
with ``--on demo``, on the one that an earlier ``demo --keep`` left. Writes
results/fresh-RELEASE.json, and exits with 1 if a check fails, 3 if this machine cannot create
the root.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from pathlib import Path

from tests.install.journeys import JOURNEYS, Check
from tests.install.machine import Machine, directory, make_machine, missing_reason
from tests.support.trixie_root import CHECKOUT

RELEASES = ("bookworm", "trixie")


def run_journey(release: str, name: str, *, on: str) -> list[Check]:
    """Run one journey; print each check as it is made."""
    machine = Machine(directory(release) / on) if on else make_machine(release, name)
    checks = []
    for check in JOURNEYS[name](machine):
        word = "ok  " if check.passed else "MISS"
        print(f"{word}  {name}: {check.name}: {check.value} (limit: {check.limit})", flush=True)
        checks.append(check)
    return checks


def write_results(release: str, journeys: dict[str, list[Check]]) -> Path:
    """Write the checks to the results; those of journeys that did not run now stay."""
    path = CHECKOUT / "results" / f"fresh-{release}.json"
    path.parent.mkdir(exist_ok=True)
    before = json.loads(path.read_text())["checks"] if path.exists() else []
    kept = [check for check in before if check["name"].partition(": ")[0] not in journeys]
    made = [
        {**check.to_dict(), "name": f"{journey}: {check.name}"}
        for journey, checks in journeys.items()
        for check in checks
    ]
    path.write_text(json.dumps({"checks": kept + made}, indent=1) + "\n")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.install", description=__doc__)
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("journeys", nargs="*", metavar="JOURNEY", help=", ".join(JOURNEYS))
    parser.add_argument("--on", default="", metavar="JOURNEY", help="on its kept machine")
    parser.add_argument("--keep", action="store_true", help="keep the machines")
    parser.add_argument("--remove", action="store_true", help="remove all that was made")
    options = parser.parse_args()
    if options.remove:
        shutil.rmtree(directory(options.release), ignore_errors=True)
        return 0
    if reason := missing_reason():
        print(f"fresh: {reason}", file=sys.stderr)
        return 3
    names = options.journeys or [name for name in JOURNEYS if name != "test"]
    if unknown := set(names) - set(JOURNEYS):
        parser.error(f"no journey {', '.join(unknown)}; there are {', '.join(JOURNEYS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    journeys = {}
    for name in names:
        journeys[name] = run_journey(options.release, name, on=options.on)
        if not options.keep and not options.on:
            shutil.rmtree(directory(options.release) / name, ignore_errors=True)
    print(f"fresh: {write_results(options.release, journeys)}")
    return 0 if all(check.passed for checks in journeys.values() for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
