"""Results of tasks and bundles, and their JSON form (``hpckit.result/1``), also in spools."""

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
    exit_code: int | None = None  # None if a signal ended it, or it never started
    signal: int | None = None
    started_at: float = 0.0  # Unix time, seconds
    wall_s: float = 0.0
    cpu_s: float = 0.0  # user and system time, with descendants that were waited for
    max_rss_mib: float = 0.0  # of the largest single process
    message: str = ""  # from the runner, such as "no output /data/x.zfp"
    stdout: str = ""  # shortened: the beginning, how much was dropped, the end
    stderr: str = ""
    value: dict[str, Any] | None = None  # the JSON object of the last line, or of the function

    def __post_init__(self) -> None:
        """Replace lone surrogates in texts, which JSON can express but UTF-8 cannot."""
        for name in ("message", "stdout", "stderr"):
            text: str = getattr(self, name)
            if not text.isascii():
                object.__setattr__(self, name, utf8_text(text))
        if self.value is not None:
            object.__setattr__(self, "value", utf8_object(self.value))

    @property
    def ok(self) -> bool:
        """True if the task succeeded."""
        return self.kind == OK


@dataclass(frozen=True, kw_only=True)
class BundleResult:
    """The result that a runner returns for a bundle, of all its tasks or only some."""

    bundle: str
    worker: str
    results: tuple[TaskResult, ...]
    not_run: tuple[int, ...] = ()  # indices of the tasks that were not started
    reason: str = ""  # why they were not started: "12 s left of the walltime"

    @property
    def why_not_done(self) -> str:
        """The reason why tasks were not run or were lost; ``""`` if there are none."""
        lost = (result.message for result in self.results if result.kind == FailureKind.LOST)
        return self.reason or next(lost, "")

    def to_json(self) -> str:
        """Return the JSON form, one line."""
        results = [vars(result) for result in self.results]  # faster than asdict, which copies
        body = {"schema": RESULT_SCHEMA, **vars(self), "results": results}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> BundleResult:
        """Read the JSON form.

        Raises:
            ValueError: the text is not ``hpckit.result/1``.
        """
        raw = json.loads(text)
        if raw.pop("schema", None) != RESULT_SCHEMA:
            raise ValueError(f"expected {RESULT_SCHEMA}")
        results = tuple(TaskResult(**item) for item in raw.pop("results"))
        return cls(**{**raw, "results": results, "not_run": tuple(raw["not_run"])})


def utf8_text(text: str) -> str:
    """Return `text` with ``?`` for each lone surrogate, as in a file name that is not UTF-8."""
    return text.encode("utf-8", "replace").decode()


def utf8_object(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return a JSON object with texts that UTF-8 can express; None if it is nested too deeply."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        found = value if text.isascii() else json.loads(utf8_text(text))
    except RecursionError:
        return None
    return found if isinstance(found, dict) else None
