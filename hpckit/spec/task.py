"""Tasks, bundles and their results: what travels between the head and the workers.

These are plain dataclasses over the standard library, because the runner on a worker node
imports them and must start in milliseconds. The wire form is JSON, written down in
`docs/schemas.md` (``hpckit.bundle/1`` and ``hpckit.result/1``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

BUNDLE_SCHEMA: Final = "hpckit.bundle/1"
RESULT_SCHEMA: Final = "hpckit.result/1"

OK: Final = "ok"
#: Kinds of failure. `lost` never uses up a task's retries; `poison` is a task that killed
#: several workers. All but `lost` can be final.
FAILURE_KINDS: Final = (
    "error", "signal", "timeout", "memory", "missing_output", "not_found", "lost", "poison",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task, ready to run: either a command (`argv`) or a Python call (`function`)."""

    index: int
    key: str
    argv: tuple[str, ...] = ()
    function: str = ""  # "module:qualname", when argv is empty
    kwargs: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)  # what the bag ran over, for people
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
class Surroundings:
    """What is the same for all tasks of a run, on every engine."""

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
    atomic_outputs: bool = False  # outputs appear whole or not at all
    output_head_bytes: int = 8192  # of each stream, from its beginning ...
    output_tail_bytes: int = 24576  # ... and from its end; the middle is counted and dropped

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Surroundings:
        """Build from the JSON form."""
        listed = {n: tuple(raw.get(n, ())) for n in ("path", "launch", "python_path")}
        return cls(**{**raw, **listed})


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Some tasks for one slot of one worker, to be run one after another."""

    id: str  # "INCARNATION-NUMBER", unique within the run
    surroundings: Surroundings
    tasks: tuple[Task, ...]
    attempts: tuple[int, ...]  # 1 for a first try; one for each task
    expected_s: float = 0.0  # wall time that all of them are expected to take; 0: unknown

    def to_json(self) -> str:
        """Return the wire form, one line."""
        body = {
            "schema": BUNDLE_SCHEMA,
            "id": self.id,
            "surroundings": asdict(self.surroundings),
            "tasks": [task.to_dict() for task in self.tasks],
            "attempts": self.attempts,
            "expected_s": self.expected_s,
        }
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Bundle:
        """Read the wire form.

        Raises:
            ValueError: the text is no ``hpckit.bundle/1``.
        """
        raw = json.loads(text)
        if raw.get("schema") != BUNDLE_SCHEMA:
            raise ValueError(f"expected {BUNDLE_SCHEMA}, found {raw.get('schema')!r}")
        return cls(
            id=raw["id"],
            surroundings=Surroundings.from_dict(raw["surroundings"]),
            tasks=tuple(Task.from_dict(item) for item in raw["tasks"]),
            attempts=tuple(raw["attempts"]),
            expected_s=raw["expected_s"],
        )


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """What came of one attempt at one task."""

    index: int
    attempt: int
    kind: str  # OK or one of FAILURE_KINDS
    exit_code: int | None = None  # None when a signal ended it, or it never started
    signal: int | None = None
    started_at: float = 0.0  # Unix time, seconds
    wall_s: float = 0.0
    cpu_s: float = 0.0  # user and system, with waited-for descendants
    max_rss_mib: float = 0.0  # largest single process
    message: str = ""  # the runner's own words, such as "no output /data/x.zfp"
    stdout: str = ""  # bounded: head, a line that says how much was dropped, tail
    stderr: str = ""
    value: dict[str, Any] | None = None  # the JSON object of the last line, or the call's value

    def __post_init__(self) -> None:
        """Make every text writable: JSON knows surrogates that UTF-8 does not."""
        for name in ("message", "stdout", "stderr"):
            text: str = getattr(self, name)
            if not text.isascii():
                object.__setattr__(self, name, utf8_text(text))
        if self.value is not None:
            object.__setattr__(self, "value", utf8_object(self.value))

    @property
    def ok(self) -> bool:
        """Whether the task did all that was asked of it."""
        return self.kind == OK


@dataclass(frozen=True, kw_only=True)
class BundleResult:
    """What a runner returns for a bundle, whole or part done."""

    bundle: str
    worker: str
    results: tuple[TaskResult, ...]
    not_run: tuple[int, ...] = ()  # indices handed back unstarted
    reason: str = ""  # why they were handed back, such as "12 s left of the walltime"

    @property
    def why_undone(self) -> str:
        """Why tasks come back undone, ``""`` when none does: they were handed back, or are lost."""
        lost = (result.message for result in self.results if result.kind == "lost")
        return self.reason or next(lost, "")

    def to_json(self) -> str:
        """Return the wire form, one line."""
        results = [vars(result) for result in self.results]  # asdict copies, which takes time
        body = {"schema": RESULT_SCHEMA, **vars(self), "results": results}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> BundleResult:
        """Read the wire form.

        Raises:
            ValueError: the text is no ``hpckit.result/1``.
        """
        raw = json.loads(text)
        if raw.pop("schema", None) != RESULT_SCHEMA:
            raise ValueError(f"expected {RESULT_SCHEMA}")
        results = tuple(TaskResult(**item) for item in raw.pop("results"))
        return cls(**{**raw, "results": results, "not_run": tuple(raw["not_run"])})


def utf8_text(text: str) -> str:
    """Return `text` with a ``?`` for each lone surrogate (of a file name that is no UTF-8, say)."""
    return text.encode("utf-8", "replace").decode()


def utf8_object(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return a JSON object whose texts are UTF-8, None when it is nested too deeply to read."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        found = value if text.isascii() else json.loads(utf8_text(text))
    except RecursionError:
        return None
    return found if isinstance(found, dict) else None


Backend = Literal["workqueue", "ray", "pool"]
Shape = Literal["array", "allocation"]
