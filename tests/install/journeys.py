"""The commands that a new user types on a bare Debian, and the checks of their results."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.install.machine import USER, Machine, Said

SETUP_S = 3.0  # a set-up with nothing to do
DEMO_S = 180.0  # the demo, once installed
TASKS = 242  # 121 fields, two error bounds each


@dataclass(frozen=True)
class Check:
    """One value, compared with its limit."""

    name: str
    value: object
    limit: object
    passed: bool

    def to_dict(self) -> dict[str, object]:
        made = asdict(self)
        return {**made, "pass": made.pop("passed")}


def equal(name: str, value: object, limit: object) -> Check:
    return Check(name, value, limit, value == limit)


def at_most(name: str, value: float, limit: float) -> Check:
    rounded = None if math.isnan(value) else round(value, 1)
    return Check(name, rounded, limit, value <= limit)


def demo(machine: Machine) -> Iterator[Check]:
    """Run `make demo` twice, as root: it installs everything, and nothing the second time."""
    yield from _demo(machine, "first", engines=("ray", "workqueue"), program=True)
    yield from _demo(machine, "second", engines=("ray", "workqueue"), program=True, again=True)


def user(machine: Machine) -> Iterator[Check]:
    """Run `make demo` as an ordinary user, without compiler, packages, pip or venv."""
    for round_ in ("first", "second"):
        again = round_ == "second"
        said = yield from _demo(machine, round_, engines=("ray",), user=USER, again=again)
        for words in ("apt-get install", "g++", "python3-workqueue", "conda-forge", "no C++"):
            yield Check(f"{round_}: names {words}", words in said.text, True, words in said.text)


def wheel(machine: Machine) -> Iterator[Check]:
    """Run `pip install '.[demo]'` in a plain virtual environment, and `hpckit demo`, as a user."""
    packages = "apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv"
    machine.run(f"{packages} >/dev/null 2>&1", extra={"DEBIAN_FRONTEND": "noninteractive"})
    made = machine.run(
        "python3 -m venv ~/plain && ~/plain/bin/pip install --quiet '.[demo]'", user=USER
    )
    yield equal("pip install exit code", made.status, 0)
    away = "mkdir -p ~/elsewhere && cd ~/elsewhere && ~/plain/bin/hpckit demo"
    yield from _demo(machine, "hpckit demo", engines=("ray",), user=USER, command=away)


def heal(machine: Machine) -> Iterator[Check]:
    """Repair set-ups that were interrupted, damaged or made for another Python; run two at once."""
    for name, prepare in _DAMAGES.items():
        said = machine.run(f"{prepare}\nmake setup\n.venv/bin/hpckit --version")
        yield equal(f"{name}: exit code", said.status, 0)
    said = machine.run("make setup")
    yield equal("afterwards: says", said.text, "")
    said = machine.run("HPCKIT_PYTHON=/bin/false make setup")
    yield equal("a wrong HPCKIT_PYTHON: exit code", said.status, 2)
    yield equal("a wrong HPCKIT_PYTHON: is named", "/bin/false" in said.text, True)


_DAMAGES = {
    "cut off while making .venv": "rm -rf .venv; mkdir .venv; touch .venv/.unfinished",
    "cut off in pip": (
        "rm -rf .venv; setsid make setup & sleep 25\n"
        "kill -9 -- -$!; wait; test -e .venv/.unfinished"
    ),
    "half deleted": "rm -r .venv/.hpckit-* .venv/lib/python3*/site-packages/p*",
    "its Python has gone": "ln -sf /nowhere/python3 .venv/bin/python3",
    "cut off in the build": "rm native/build/compress_task native/build/CMakeCache.txt",
    "two at once": "touch pyproject.toml; make setup & sleep 1",
}


def dev(machine: Machine) -> Iterator[Check]:
    """Run a developer's first commands: set-up, linters, the fast tests."""
    tests = ".venv/bin/python -m pytest -q tests/unit tests/golden"
    for command in ("make setup-dev", "make lint", tests):
        # the tests' own Slurm must not meet this machine's
        said = machine.run(command, own_network=command == tests)
        yield equal(f"{command}: exit code", said.status, 0)
        yield from _skips_give_reasons(command, said)
    said = machine.run("make setup-dev")
    yield equal("make setup-dev again: says", said.text, "")
    yield at_most("make setup-dev again: seconds", said.took_s, 2 * SETUP_S)


def test(machine: Machine) -> Iterator[Check]:
    """Run the whole `make test` (long). After the set-up it needs only its own network."""
    yield equal("make setup-dev: exit code", machine.run("make setup-dev").status, 0)
    said = machine.run("nice -n 10 make test", own_network=True)
    yield equal("make test: exit code", said.status, 0)
    yield at_most("make test: minutes", said.took_s / 60, 40)
    yield equal("make test: left running", said.left, [])
    yield from _skips_give_reasons("make test", said)


def _skips_give_reasons(name: str, said: Said) -> Iterator[Check]:
    for line in said.text.splitlines():
        if line.startswith("SKIPPED"):
            yield Check(f"{name}: skipped", line, "a reason", ": " in line)


def _demo(
    machine: Machine,
    name: str,
    *,
    engines: tuple[str, ...],
    user: str = "root",
    program: bool = False,
    again: bool = False,
    command: str = "make demo",
) -> Generator[Check, None, Said]:
    """Run the demo; yield the checks; return its output."""
    said = machine.run(command, user=user)
    begun = said.when("the task: ")
    yield equal(f"{name}: exit code", said.status, 0)
    if said.status != 0:
        return said
    yield at_most(f"{name}: seconds", said.took_s, DEMO_S if again else 1800)
    yield at_most(f"{name}: seconds of the demo itself", said.took_s - begun, DEMO_S)
    yield equal(f"{name}: C++ task", "the task: /" in said.text, program)
    rows = _table(said.text)
    yield equal(f"{name}: engines in the table", tuple(rows), engines)
    for engine, cells in rows.items():
        yield equal(f"{name}: {engine} done, failed", cells[:2], [str(TASKS), "0"])
        yield equal(f"{name}: {engine} columns", len(cells), 10)
        yield at_most(f"{name}: {engine} error of its bound", float(cells[5]), 1.0)
        yield equal(
            f"{name}: {engine} run directory is there", _is_there(machine, user, cells[-1]), True
        )
    yield equal(f"{name}: left running", said.left, [])
    if again:
        setup = machine.run("make setup", user=user)
        yield at_most(f"{name}: seconds of set-up", setup.took_s - 1, SETUP_S)  # 1: our look
        if user == "root":
            yield equal(f"{name}: set-up says", setup.text, "")
    return said


def _is_there(machine: Machine, user: str, path: str) -> bool:
    return Path(f"{machine.root}{Path(machine.home(user), 'hpckit', path)}").is_dir()


def _table(text: str) -> dict[str, list[str]]:
    """Return the rows of the demo's last table: engine to its other cells."""
    rows = (re.split(r"  +", line.strip()) for line in text.splitlines())
    return {cells[0]: cells[1:] for cells in rows if cells[0] in ("ray", "workqueue", "pool")}


JOURNEYS: dict[str, Callable[[Machine], Iterator[Check]]] = {
    "demo": demo,
    "user": user,
    "wheel": wheel,
    "heal": heal,
    "dev": dev,
    "test": test,
}
