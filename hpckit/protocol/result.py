"""Results of tasks and bundles, as they travel (``hpckit.result/1``) and lie in spools."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from hpckit.model.failure_kind import FailureKind

RESULT_SCHEMA: Final = "hpckit.result/1"

OK: Final = "ok"


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """The result of one attempt at one task."""

    index: int
    attempt: int
    kind: str  # OK or a FailureKind
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
        """True if the task did all that was asked of it."""
        return self.kind == OK


@dataclass(frozen=True, kw_only=True)
class BundleResult:
    """The result that a runner returns for a bundle, with all or only some of its tasks done."""

    bundle: str
    worker: str
    results: tuple[TaskResult, ...]
    not_run: tuple[int, ...] = ()  # indices handed back unstarted
    reason: str = ""  # why they were handed back, such as "12 s left of the walltime"

    @property
    def why_undone(self) -> str:
        """The reason why tasks come back undone, ``""`` when none does: they were handed back, or
        are lost."""
        lost = (result.message for result in self.results if result.kind == FailureKind.LOST)
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
