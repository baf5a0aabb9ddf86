"""The environment of a task: variables, working directory, private temporary directory.

It is the same on every engine, because the runner makes it and no engine does.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hpckit.common.processes import TASK_TOKEN
from hpckit.common.scratch_dir import remove_tree
from hpckit.engines.registry import VARIABLES
from hpckit.model.failure_kind import FailureKind
from hpckit.model.task import Task, TaskSettings

#: Variables of engines and of hpckit itself that no task gets to see. Ray's internals would
#: make a task that uses Ray itself join the wrong cluster; the others name secrets.
PRIVATE_PREFIXES: Final = (*VARIABLES, "HPCKIT_")
#: What tells a task its GPUs; the runner sets them for each slot.
GPU_VARIABLES: Final = (
    "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
)  # fmt: skip


class TaskStartError(Exception):
    """A task cannot start: its kind of failure, and the reason."""

    def __init__(self, kind: FailureKind, why: str) -> None:
        super().__init__(why)
        self.kind = kind


@dataclass(frozen=True)
class SlotResources:
    """The resources that one slot offers its tasks."""

    number: int
    temporary: Path  # a directory of this worker's own on the node
    base_env: Mapping[str, str]  # already without `PRIVATE_PREFIXES`
    gpus: tuple[str, ...] = ()  # the devices of this worker
    #: Private directories that a task left empty, for the next one: on a busy disk, making
    #: and removing one can take longer than the task.
    spare: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TaskContext:
    """The directories and variables that one attempt at one task was given; `remove` takes them
    back."""

    env: dict[str, str]
    cwd: str
    token: str
    slot: SlotResources
    made: list[str] = field(default_factory=list)

    def remove(self) -> None:
        """Remove what is in the private directories, and them unless they are empty."""
        for path in self.made:
            if _is_as_new(path):
                self.slot.spare.append(path)
            else:
                remove_tree(path)


def _is_as_new(path: str) -> bool:
    """Return whether this is an empty directory, whose mode is 0700 again if a task changed it."""
    try:
        mode = os.lstat(path).st_mode
        if not stat.S_ISDIR(mode):
            return False
        if mode & 0o777 != 0o700:
            os.chmod(path, mode & 0o7000 | 0o700)  # noqa: PTH101
        return not os.listdir(path)  # noqa: PTH208 - the fastest
    except OSError:
        return False


def public_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return what tasks inherit of the worker's environment."""
    return {name: value for name, value in env.items() if not name.startswith(PRIVATE_PREFIXES)}


def prepare(
    task: Task, attempt: int, settings: TaskSettings, slot: SlotResources, *, token: str
) -> TaskContext:
    """Make the task's surroundings.

    Raises:
        NotPossible: the working directory is missing, or an output's directory or a private
            one cannot be made.
    """
    temporary = _private_directory(slot)
    made = [temporary]
    cwd = settings.cwd
    if not cwd:
        try:
            cwd = _private_directory(slot)
        except TaskStartError:
            with contextlib.suppress(OSError):
                Path(temporary).rmdir()
            raise
        made.append(cwd)
    env = _environment(task, attempt, settings, slot, temporary, token)
    context = TaskContext(env, cwd, token, slot, made)
    try:
        if not Path(cwd).is_dir():
            raise TaskStartError(FailureKind.NOT_FOUND, f"no working directory {cwd}")
        for output in task.outputs:
            _make_parent(output)
    except BaseException:
        context.remove()
        raise
    return context


def _private_directory(slot: SlotResources) -> str:
    if slot.spare:
        return slot.spare.pop()
    try:
        return tempfile.mkdtemp(dir=slot.temporary)
    except OSError as error:
        raise TaskStartError(
            FailureKind.LOST,
            f"this node cannot make a directory in {slot.temporary}: {error.strerror}",
        ) from error


def _make_parent(output: str) -> None:
    parent = Path(output).parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TaskStartError(
            FailureKind.MISSING_OUTPUT, f"cannot make the directory of {output}: {error.strerror}"
        ) from error


def _environment(
    task: Task,
    attempt: int,
    settings: TaskSettings,
    slot: SlotResources,
    temporary: str,
    token: str,
) -> dict[str, str]:
    env = {**slot.base_env, **settings.env}
    if settings.path:
        env["PATH"] = os.pathsep.join([*settings.path, env.get("PATH", os.defpath)])
    env.update(
        {
            "HPCKIT_RUN": settings.run,
            "HPCKIT_TASK_INDEX": str(task.index),
            "HPCKIT_ATTEMPT": str(attempt),
            "TMPDIR": temporary,
            "OMP_NUM_THREADS": settings.env.get("OMP_NUM_THREADS", str(settings.cores)),
            TASK_TOKEN: token,
        }
    )
    env.update(_gpu_variables(settings.gpus, slot))
    return env


def _gpu_variables(count: int, slot: SlotResources) -> dict[str, str]:
    """Give the slot its own devices, in the variables that the node's set-up uses."""
    if not slot.gpus:
        return {}
    first = slot.number * count
    names = [name for name in GPU_VARIABLES if name in slot.base_env] or ["CUDA_VISIBLE_DEVICES"]
    return dict.fromkeys(names, ",".join(slot.gpus[first : first + count]))


def visible_gpus(env: Mapping[str, str], count: int) -> tuple[str, ...]:
    """Return the devices of this job: as the node's set-up says, else 0 to `count` - 1."""
    for name in GPU_VARIABLES:
        if env.get(name):
            return tuple(env[name].split(","))[:count] if count else ()
    return tuple(str(number) for number in range(count))
