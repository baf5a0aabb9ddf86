"""Measured figures in the documents: a command fills them in, nobody types them.

A document contains comments that name a figure; `write_documents` fills in the figures from the
JSON in `results/`, and `check_documents` reports where both disagree. The forms are::

    <!-- figure: baseline hpckit-ray size=16 workers=2 makespan_s.median -->4.2 s<!-- /figure -->
    <!-- figure: reclaim check="ray: makespan by the ideal" -->1.44<!-- /figure -->
    <!-- figure: baseline versions.ray -->2.60.0<!-- /figure -->
    <!-- figure: baseline task_s size=least -->6 ms<!-- /figure -->
    <!-- table: baseline cases size=least workers=fair -->rows of Markdown<!-- /table -->
    <!-- picture: baseline lengths -->an image<!-- /picture -->
    <!-- claim: slurm hpckit-workqueue start_up_s < slurm hpckit-ray start_up_s -->

The first word names the file: `results/bench-NAME.json`, else `results/NAME.json`. A size is a
number, `least` or `most`; so are workers, and also `fair`: the most that have a CPU for each slot.
`reclaimed` selects the disturbed runs, and `limit` after a check its limit instead of its value. A
statistic is median, low, high, spread, interval or full. Two figures with ` / ` between them are
their ratio. A claim shows nothing. It fails the check when it does not hold, so that sentences
beside figures cannot become wrong unnoticed. For two measured medians it holds only if the
intervals are apart: the high of the first below the low of the second.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hpckit.bench.report.doc_references import NotMeasured, Results, split_words
from hpckit.bench.report.doc_tables import table
from hpckit.bench.report.load_results import BenchResult
from hpckit.errors import InputError, StorageError, did_you_mean

NOT_MEASURED: Final = "not measured yet"
_MARK: Final = re.compile(
    r"<!-- (?P<kind>figure|table|picture): (?P<what>.*?) -->(?P<body>.*?)<!-- /(?P=kind) -->", re.S
)
_CLAIM: Final = re.compile(r"<!-- claim: (?P<one>.*?) < (?P<other>.*?) -->", re.S)
_ANY: Final = re.compile(r"<!-- /?(?:figure|table|picture|claim)\b")
_PICTURES: Final = {
    "lengths": "makespan and overhead per task by task length, for each case",
    "scaling": "tasks per second by workers, against the ideal",
    "timelines": "what each worker did, with reclaims marked",
}


@dataclass
class CheckResult:
    """The result of comparing the documents with the results.

    Attributes:
        marks: number of markers and claims.
        unmeasured: a line for each that needs a measurement.
        faults: a line for each that is wrong: stale, unknown, or a claim that does not hold.
    """

    marks: int = 0
    unmeasured: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def summary_line(self) -> str:
        """Return the result in one line."""
        return (
            f"{self.marks} figures in the documents: {len(self.faults)} wrong, "
            f"{len(self.unmeasured)} {NOT_MEASURED}"
        )


def find_documents(results: Path) -> list[Path]:
    """Return the Markdown files beside `results`: README.md and everything in docs.

    Raises:
        InputError: there are none; an installed hpckit has no documents to fill.
    """
    top = results.resolve().parent
    found = [path for path in (top / "README.md", *sorted(top.glob("docs/**/*.md")))
             if path.is_file()]  # fmt: skip
    if not found:
        raise InputError(
            f"no documents beside {results}", hint="Give the results/ of a checkout of hpckit."
        )
    return found


def write_documents(results: Path) -> list[str]:
    """Fill every marker; return a line for each changed file.

    `check_documents` checks the claims afterwards.

    Raises:
        InputError: a marker names something that does not exist.
        StorageError: a document cannot be written.
    """
    pages = find_documents(results)
    filled = [(path, path.read_text(), Page(path, results)) for path in pages]
    texts = [(path, before, page.fill(before)) for path, before, page in filled]
    faults = [fault for _, _, page in filled for fault in page.result.faults]
    if faults:
        raise InputError("\n".join(faults), hint="Nothing was written. Correct them first.")
    lines = []
    for path, before, after in texts:
        if after != before:
            try:
                path.write_text(after)
            except OSError as error:
                raise StorageError(f"cannot write {path}: {error.strerror}") from error
            lines.append(f"filled in {path}")
    return lines


def check_documents(results: Path) -> CheckResult:
    """Compare the documents with the results; write nothing."""
    whole = CheckResult()
    for path in find_documents(results):
        page = Page(path, results)
        before = path.read_text()
        page.fill(before, stale_is_wrong=True)
        page.check_pictures()
        whole.marks += page.result.marks
        whole.unmeasured += page.result.unmeasured
        whole.faults += page.result.faults
    return whole


class Page:
    """A document, and the results that it shows.

    Args:
        path: of the document; messages name it.
        results: the directory of the JSON.
    """

    def __init__(self, path: Path, results: Path) -> None:
        self.path = path
        self.source = Results(results)
        self.result = CheckResult()
        self._shown: list[tuple[BenchResult, str]] = []

    def fill(self, text: str, *, stale_is_wrong: bool = False) -> str:
        """Return the text with every marker filled; note the faults.

        With `stale_is_wrong`, figures that differ and claims that do not hold are faults.
        """

        def fill_marker(found: re.Match[str]) -> str:
            reference = " ".join(found["what"].split())
            body = self._body(found["kind"], reference)
            if body is None:
                return found[0]
            if stale_is_wrong and body != found["body"]:
                self._add_fault(
                    reference, f"says {_short(found['body'])!r}, measured is {_short(body)!r}"
                )
            return f"<!-- {found['kind']}: {found['what']} -->{body}<!-- /{found['kind']} -->"

        after = _MARK.sub(fill_marker, text)
        for found in _CLAIM.finditer(text) if stale_is_wrong else ():
            self._check_claim(" ".join(found["one"].split()), " ".join(found["other"].split()))
        left = _ANY.search(_CLAIM.sub("", _MARK.sub("", text)))
        if left:
            self._add_fault(left[0], "a marker without its other half, or misspelt")
        return after

    def _body(self, kind: str, reference: str) -> str | None:
        self.result.marks += 1
        try:
            if kind == "figure":
                return self.source.value(reference).text
            lines = self._table(reference) if kind == "table" else self._picture(reference)
            return "\n" + "\n".join(lines) + "\n"
        except NotMeasured as reason:
            self.result.unmeasured.append(f"{self.path.name}: {reference}: {reason}")
            if kind == "figure":
                return NOT_MEASURED
            return f"\n*{NOT_MEASURED[0].upper()}{NOT_MEASURED[1:]}: {reason}.*\n"
        except InputError as error:
            self._add_fault(reference, error.message)
            return None

    def _check_claim(self, one: str, other: str) -> None:
        self.result.marks += 1
        try:
            low, high = self.source.value(one), self.source.value(other)
            holds = low.is_below(high)
        except NotMeasured as reason:
            self.result.unmeasured.append(f"{self.path.name}: claim {one} < {other}: {reason}")
        except InputError as error:
            self._add_fault(f"claim {one} < {other}", error.message)
        else:
            if not holds:
                texts = (value.whole or value.text for value in (low, high))
                self._add_fault(f"claim {one} < {other}", f"is not so: {', '.join(texts)}")

    def _add_fault(self, reference: str, fault: str) -> None:
        self.result.faults.append(f"{self.path.name}: {reference}: {fault}")

    def _table(self, reference: str) -> list[str]:
        name, *words = split_words(reference)
        return table(self.source.bench(name), words)

    def _picture(self, reference: str) -> list[str]:
        name, *words = split_words(reference)
        kind = " ".join(words)
        if kind not in _PICTURES:
            raise InputError(f"no picture {kind!r};{did_you_mean(kind, _PICTURES)}")
        bench = self.source.bench(name)
        file = _picture_file(bench, kind)
        picture = bench.path.parent / "pictures" / file
        if not picture.is_file():
            raise NotMeasured(f"`hpckit bench summary` with matplotlib draws {file}")
        self._shown.append((bench, file))
        link = os.path.relpath(picture, self.path.parent)
        return [f"![{name}: {_PICTURES[kind]}]({link})"]

    def check_pictures(self) -> None:
        """Note each picture that was drawn from other results."""
        from hpckit.bench.report.plot_style import stamp

        for bench, file in self._shown:
            picture = bench.path.parent / "pictures" / file
            if stamp(bench) not in picture.read_text():
                self._add_fault(file, f"was not drawn from this {bench.path.name}")


def _picture_file(bench: BenchResult, kind: str) -> str:
    return f"bench-{bench.name}-{kind}.svg"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
