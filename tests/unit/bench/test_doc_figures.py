"""Measured figures in documents are filled in by a command, and stale ones are found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpckit.bench.report import doc_figures, plots
from hpckit.bench.report.doc_figures import check_documents, write_documents
from hpckit.cli.main import run
from hpckit.errors import InputError
from tests.unit.bench.made_up_documents import a_document, write

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    write(tmp_path / "results", "baseline", a_document())
    checks = [{"name": "ray: makespan by the ideal", "value": 1.439, "limit": 1.25, "pass": False}]
    (tmp_path / "results" / "reclaim.json").write_text(json.dumps({"checks": checks}))
    return tmp_path / "results"


def page(results: Path, text: str) -> Path:
    path = results.parent / "docs" / "RFC.md"
    path.write_text(text)
    return path


def filled(results: Path, what: str, kind: str = "figure") -> str:
    path = page(results, f"before <!-- {kind}: {what} -->?<!-- /{kind} --> after")
    write_documents(results)
    text = path.read_text()
    assert text.startswith("before <!-- ") and text.endswith(" after")
    return text.partition("-->")[2].rpartition("<!--")[0]


def summary(results: Path, *words: str) -> int:
    return run(["bench", "summary", "--out", str(results), *words])


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("baseline hpckit-workqueue size=16 workers=2 makespan_s.median", "2.71 s"),
        ("baseline hpckit-workqueue size=least makespan_s.full", "2.71 s (2.55 to 2.87 s)"),
        ("baseline hpckit-workqueue size=16 workers=most overhead_per_task_ms", "8.42 ms"),
        ("baseline hpckit-ray size=96 workers=1 efficiency.interval", "92 to 103 %"),
        ("baseline hpckit-ray throughput_per_s", "6.30/s"),
        ("baseline hpckit-ray size=least start_up_s / baseline plain-ray size=least start_up_s",
         "1.74"),
        ("baseline task_s size=most", "310 ms"),
        ("baseline versions.ray", "2.60.0"),
        ("baseline parameters.size", "16, 96"),
        ('reclaim check="ray: makespan by the ideal"', "1.44"),
        ('reclaim check="ray: makespan by the ideal" limit', "1.25"),
        ("spot hpckit-ray makespan_s", "not measured yet"),
        ("baseline hyperqueue makespan_s", "not measured yet"),
        ("baseline versions.hyperqueue", "not measured yet"),
        ("baseline parallel worker_memory_mib", "not measured yet"),
        ('chaos check="rounds"', "not measured yet"),
    ],
)  # fmt: skip
def test_a_marker_gets_its_figure(results: Path, what: str, text: str) -> None:
    assert filled(results, what) == text


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("baseline hpckit-rai makespan_s", "Did you mean 'hpckit-ray'"),
        ("baseline hpckit-ray makespan", "Did you mean 'makespan_s'"),
        ("baseline hpckit-ray makespan_s.mean", "no statistic 'mean'"),
        ("baseline hpckit-ray size=17 makespan_s", r"no size=17; it has \[16, 96\]"),
        ("baseline hpckit-ray sise=16 makespan_s", "no selector 'sise'"),
        ("baseline hpckit-ray reclaimed makespan_s", "no such runs"),
        ("basline hpckit-ray makespan_s", "Did you mean 'baseline'"),
        ("baseline versions.rey", "no 'versions.rey'"),
        ("baseline hpckit-ray", "no 'hpckit-ray'"),
        ('reclaim check="ray: makespan"', "has no check"),
        ('rekleim check="x"', "no results 'rekleim'"),
    ],
)
def test_a_marker_that_names_something_unknown_is_refused(
    results: Path, what: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        filled(results, what)
    assert check_documents(results).faults


def test_writing_twice_changes_nothing_and_the_check_passes(results: Path) -> None:
    path = page(results, "<!-- table: baseline cases -->\n<!-- /table -->\n"
                         "<!-- table: baseline added -->\n<!-- /table -->\n"
                         "<!-- table: baseline scaling measure=work_s -->\n<!-- /table -->\n"
                         "<!-- table: baseline machine -->\n<!-- /table -->\n")  # fmt: skip
    assert write_documents(results) == [f"filled in {path}"]
    text = path.read_text()
    assert "| `plain-ray` | 6.01 s (5.65 to 6.37 s) |" in text
    assert "| case | 1 worker | 2 workers | 4 workers |" in text
    assert write_documents(results) == []
    assert path.read_text() == text
    assert check_documents(results).faults == []


def test_a_figure_that_was_typed_or_has_become_stale_is_found(results: Path) -> None:
    page(results, "<!-- figure: baseline versions.ray -->2.1<!-- /figure -->")
    result = check_documents(results)
    assert result.faults == ["RFC.md: baseline versions.ray: says '2.1', measured is '2.60.0'"]
    assert summary(results, "--check") == 1


def test_a_missing_measurement_is_named_with_its_command_and_is_no_fault(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = filled(results, "spot reclaimed", "table")
    assert text == "\n*Not measured yet: `hpckit bench spot`.*\n"
    assert summary(results, "--check") == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "RFC.md: spot reclaimed: `hpckit bench spot`",
        "1 figures in the documents: 0 wrong, 1 not measured yet",
    ]


def test_documents_are_filled_also_where_no_scenario_was_measured(results: Path) -> None:
    (results / "bench-baseline.json").unlink()
    path = page(
        results, '<!-- figure: reclaim check="ray: makespan by the ideal" --><!-- /figure -->'
    )
    assert summary(results, "--write-docs") == 2  # nothing was measured yet
    assert "-->1.44<!--" in path.read_text()


def test_the_disturbed_runs_have_a_table_and_figures(results: Path) -> None:
    write(results, "spot", a_document("spot"))
    assert filled(results, "spot hpckit-ray reclaimed redone") == "3"
    assert (
        "| hpckit-ray | 310 ms | 4 | 3 | 46.8 s (44.0 to 49.6 s) | 62.0 s (58.3 to 65.8 s) | x1.33 "
        "| 5 | 3 | 1.70 s | 90 % / 80 % | 0 | 0 |"
    ) in filled(results, "spot reclaimed", "table")


def test_a_claim_that_no_longer_holds_is_a_fault(results: Path) -> None:
    wq, ray = (f"baseline hpckit-{name} size=least start_up_s" for name in ("workqueue", "ray"))
    page(results, f"Work Queue starts sooner.<!-- claim: {wq} < {ray} -->")
    assert check_documents(results).faults == []
    page(results, f"Ray starts sooner.<!-- claim: {ray} < {wq} -->")
    assert check_documents(results).faults == [
        f"RFC.md: claim {ray} < {wq}: is not so: 8.70 s (8.18 to 9.22 s), 1.50 s (1.41 to 1.59 s)"
    ]
    assert summary(results, "--write-docs") == 1


def test_a_claim_needs_intervals_that_are_apart(results: Path) -> None:
    document = a_document()
    for figure in document["figures"]:
        figure["start_up_s"]["high"] = 9.0
    write(results, "baseline", document)
    wq, ray = (f"baseline hpckit-{name} size=least start_up_s" for name in ("workqueue", "ray"))
    page(results, f"<!-- claim: {wq} < {ray} -->")
    assert check_documents(results).faults == [
        f"RFC.md: claim {wq} < {ray}: is not so: 1.50 s (1.41 to 9.00 s), 8.70 s (8.18 to 9.00 s)"
    ]


def test_a_claim_about_checks_compares_their_numbers(results: Path) -> None:
    ideal = 'reclaim check="ray: makespan by the ideal"'
    page(results, f"<!-- claim: {ideal} limit < {ideal} -->")
    assert check_documents(results).faults == []
    page(results, f"<!-- claim: {ideal} < baseline hpckit-ray size=least start_up_s -->")
    assert check_documents(results).faults == []  # one of both has no interval


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("<!-- picture: baseline --><!-- /picture -->", "no picture ''"),
        ("<!-- table:  --><!-- /table -->", "names nothing"),
        ("<!-- figure:  --><!-- /figure -->", "names nothing"),
        ('<!-- figure: reclaim check="ray --><!-- /figure -->', "a quote that is not closed"),
        ('<!-- table: baseline "cases --><!-- /table -->', "a quote that is not closed"),
        ('<!-- claim: reclaim check="a < reclaim x -->', "a quote that is not closed"),
    ],
)
def test_a_marker_that_cannot_be_parsed_is_a_fault(results: Path, marker: str, words: str) -> None:
    page(results, marker)
    assert words in check_documents(results).faults[0]


def test_a_table_has_the_confidence_of_its_intervals(results: Path) -> None:
    text = filled(results, "baseline cases size=least", "table")
    assert (
        "200 tasks of 6 ms on 2 workers, 2 at a time; medians of 3 runs; makespan and overhead "
        "with their range, a 75 % confidence interval."
    ) in text


@pytest.mark.parametrize(
    "text", ["<!-- figure: baseline versions.ray -->2.60.0", "2.60.0<!-- /figure -->",
             "<!-- claim: baseline versions.ray -->"]
)  # fmt: skip
def test_half_a_marker_is_a_fault(results: Path, text: str) -> None:
    page(results, text)
    assert "without its other half" in check_documents(results).faults[0]


def test_a_page_shows_the_pictures_of_these_results(results: Path) -> None:
    pytest.importorskip("matplotlib", reason="pip install '.[bench]'")
    assert "`hpckit bench summary`" in filled(results, "baseline lengths", "picture")
    bench = doc_figures.Results(results).bench("baseline")
    plots.draw([bench], results / "pictures")
    assert filled(results, "baseline lengths", "picture").strip() == (
        "![baseline: makespan and overhead per task by task length, for each case]"
        "(../results/pictures/bench-baseline-lengths.svg)"
    )
    assert check_documents(results).faults == []
    write(results, "baseline", a_document(when="2026-12-01T00:00:00Z"))
    assert "was not drawn from this bench-baseline.json" in check_documents(results).faults[0]


def test_the_documents_of_this_repository_agree_with_its_results() -> None:
    result = check_documents(REPOSITORY / "results")
    assert result.faults == [], "run: hpckit bench summary --write-docs"
