"""The parameters of a scenario, checked before anything is created."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from hpckit.assets import how_to_install
from hpckit.engines.registry import ENGINES
from hpckit.errors import InputError, did_you_mean
from hpckit.model.task import Backend

#: The array is a cube: below 8 values along an axis there is nothing to measure, and one of 512
#: takes 1 GiB.
SIZES: Final = (8, 512)
MAX_SLOTS: Final = 256
MAX_TASKS: Final = 100_000
PORTS: Final = 100  # so many are used from `port` on


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The parameters of a scenario.

    Attributes:
        scenario: baseline, slurm or spot.
        tasks: how many, for each size.
        sizes: values along each axis of the array that a task compresses.
        tolerance: of the compression.
        workers: the numbers of workers.
        cpus: cores of each worker; a task uses one.
        port: the first of 100 ports that engines may listen on; 0 is any free one.
        repeats: how often each case is run.
        seed: of the arrays, the order of the cases and the reclaims.
        backends: hpckit's engines.
        life_s: spot: average time until a worker is reclaimed.
        grace_s: spot: time from the warning of a reclaim to SIGTERM (emulated).
        kill_wait_s: spot: time from SIGTERM to SIGKILL (emulated). With Slurm's default of 30 s,
            every shorter task would end well, and no reclaim could cost work.
    """

    scenario: str
    tasks: tuple[int, ...]
    sizes: tuple[int, ...]
    tolerance: float
    workers: tuple[int, ...]
    cpus: int
    port: int
    repeats: int
    seed: int
    backends: tuple[Backend, ...]
    life_s: float = 20.0
    grace_s: float = 0.0
    kill_wait_s: float = 0.0

    def tasks_of(self, size: int) -> int:
        """Return how many tasks of a size there are."""
        return self.tasks[self.sizes.index(size)]

    def to_dict(self) -> dict[str, Any]:
        """Return the `parameters` of the document."""
        body = asdict(self)
        body["size"] = list(body.pop("sizes"))
        body["tasks"] = self.tasks[0]
        body["tasks_by_size"] = {str(size): self.tasks_of(size) for size in self.sizes}
        return {key: list(v) if isinstance(v, tuple) else v for key, v in body.items()}


#: The defaults of each scenario. On two quiet cores, each ends within three minutes. Tasks of the
#: spot scenario are longer, so that reclaims interrupt some of them.
DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "baseline": {"tasks": (400, 30), "sizes": (16, 128), "workers": (1,), "repeats": 3},
    "slurm": {"tasks": (60,), "sizes": (128,), "workers": (1, 2, 4), "cpus": 1, "repeats": 3},
    "spot": {
        "tasks": (32,),
        "sizes": (256,),
        "workers": (2,),
        "cpus": 1,
        "repeats": 3,
    },
}


def make_parameters(scenario: str, asked: dict[str, Any], *, cpus: int) -> Parameters:
    """Return the parameters: values that were given (not None), else the defaults.

    Args:
        scenario: baseline, slurm or spot.
        asked: given values, by the names of `Parameters`.
        cpus: number of CPUs of this machine.

    Raises:
        InputError: a value cannot be used.
    """
    values: dict[str, Any] = {
        "cpus": cpus, "tolerance": 1e-3, "port": 0, "seed": 1, "backends": (),
        **DEFAULTS[scenario], **{key: v for key, v in asked.items() if v is not None},
    }  # fmt: skip
    only_sizes_given = asked.get("sizes") is not None and asked.get("tasks") is None
    if only_sizes_given or len(values["tasks"]) != len(values["sizes"]):
        values["tasks"] = _tasks_for_each_size(values, given=asked.get("tasks") is not None)
    found = Parameters(scenario=scenario, **values)
    _check(found)
    return found


def _tasks_for_each_size(values: dict[str, Any], *, given: bool) -> tuple[int, ...]:
    """Return one number of tasks for each size, if there are not as many of both.

    Of the defaults, the smallest is used, because the given sizes may be large.
    """
    tasks, sizes = values["tasks"], values["sizes"]
    if given and len(tasks) != 1:
        raise InputError(
            f"--tasks has {len(tasks)} numbers and --size {len(sizes)}",
            hint="Give one number of tasks for all sizes, or one for each.",
        )
    return (min(tasks),) * len(sizes)


def _check(found: Parameters) -> None:
    _require_within("--size", found.sizes, SIZES)
    _require_within("--tasks", found.tasks, (1, MAX_TASKS))
    _require_within("--workers", found.workers, (1, MAX_SLOTS))
    _require_within("--cpus", (found.cpus,), (1, MAX_SLOTS))
    _require_within("--repeats", (found.repeats,), (1, 100))
    _require_distinct("--size", found.sizes)
    _require_distinct("--workers", found.workers)
    if not (math.isfinite(found.tolerance) and found.tolerance > 0):
        raise InputError(f"--tolerance is {found.tolerance:g}, but must be above 0")
    if max(found.workers) * found.cpus > MAX_SLOTS:
        raise InputError(
            f"--workers {max(found.workers)} of --cpus {found.cpus} are more than {MAX_SLOTS} slots"
        )
    if found.port and not 1024 <= found.port <= 65535 - PORTS + 1:
        raise InputError(
            f"--port is {found.port}, but must be 0, or within 1024 to {65535 - PORTS + 1}",
            hint=f"{PORTS} ports are taken from there on.",
        )
    if min(found.tasks) < max(found.workers) * found.cpus:
        raise InputError(
            f"--tasks {min(found.tasks)} are fewer than the {max(found.workers) * found.cpus} "
            "slots of the workers",
            hint="Every slot should have one task at least: give more --tasks.",
        )
    single_node = [name for name in found.backends if not ENGINES[name].joins]
    if single_node and found.scenario != "baseline":
        raise InputError(
            f"{', '.join(single_node)} works on one node: only `hpckit bench baseline` measures it",
            hint="Leave it out of --backends.",
        )
    if not (math.isfinite(found.life_s) and found.life_s >= 1):
        raise InputError(f"--life is {found.life_s:g}, but must be a second at least")
    for name, value in (("--grace", found.grace_s), ("--kill-wait", found.kill_wait_s)):
        if not (math.isfinite(value) and 0 <= value <= 3600):
            raise InputError(f"{name} is {value:g}, but must be within 0 and 3600 seconds")


def _require_within(name: str, values: Sequence[int], bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not values:
        raise InputError(f"{name} is empty", hint=f"Give a number within {low} and {high}.")
    for value in values:
        if not low <= value <= high:
            raise InputError(f"{name} is {value}, but must be within {low} and {high}")


def _require_distinct(name: str, values: Sequence[object]) -> None:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise InputError(f"{name} names {twice} twice", hint="Give each once; see --repeats.")


def choose_backends(asked: Sequence[str], installed: Sequence[Backend]) -> tuple[Backend, ...]:
    """Return the engines to measure: those that are given, else all that workers can join.

    Raises:
        InputError: an engine is unknown or not installed; or there is none.
    """
    for name in asked:
        if name not in ENGINES:
            raise InputError(
                f"--backends names {name!r}, but known are: {', '.join(ENGINES)}."
                + did_you_mean(name, ENGINES)
            )
        if name not in installed:
            raise InputError(
                f"{name} is not installed here", hint=f"Installed: {', '.join(installed)}."
            )
    wanted = asked or [name for name in installed if ENGINES[name].joins]
    if not wanted:
        raise InputError(
            "neither Work Queue nor Ray is installed here",
            hint=how_to_install("ray"),
        )
    return tuple(name for name in ENGINES if name in wanted)
