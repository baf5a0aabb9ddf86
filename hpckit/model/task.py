"""A task that is ready to run, and the settings that all tasks of a run share.

These are dataclasses of the standard library, because the runner on a worker node imports them
and must start in milliseconds. `docs/reference/schemas.md` describes their JSON form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Backend = str  # the name of an engine in `hpckit.engines.registry`
Shape = Literal["array", "allocation"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task that is ready to run: a command (`argv`) or a call of a Python function."""

    index: int
    key: str
    argv: tuple[str, ...] = ()
    function: str = ""  # "module:qualname", if argv is empty
    kwargs: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)  # its values of ``[each]``, for people
    inputs: tuple[str, ...] = ()  # absolute paths
    outputs: tuple[str, ...] = ()  # absolute paths

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Task:
        """Build a task from its JSON form (a line of ``tasks.jsonl``, an item of a bundle)."""
        listed = {name: tuple(raw.get(name, ())) for name in ("argv", "inputs", "outputs")}
        return cls(**{**raw, **listed})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; empty fields are left out."""
        return {name: value for name, value in vars(self).items() if value or name == "index"}


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """The settings that are the same for all tasks of a run, on every engine."""

    run: str  # the run's name, HPCKIT_RUN
    cwd: str = ""  # working directory; "" means a private scratch directory for each task
    env: dict[str, str] = field(default_factory=dict)  # added to the worker's environment
    path: tuple[str, ...] = ()  # put before PATH
    launch: tuple[str, ...] = ()  # put before each task's command
    python_path: tuple[str, ...] = ()  # put before sys.path of function tasks
    cores: int = 1
    memory_mib: int = 0  # 0: not declared
    gpus: int = 0
    timeout_s: int = 0  # 0: none
    atomic_outputs: bool = False  # outputs appear complete or not at all
    output_head_bytes: int = 8192  # of each stream, from its beginning ...
    output_tail_bytes: int = 24576  # ... and from its end; the rest is only counted

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> TaskSettings:
        """Build from the JSON form."""
        listed = {n: tuple(raw.get(n, ())) for n in ("path", "launch", "python_path")}
        return cls(**{**raw, **listed})
