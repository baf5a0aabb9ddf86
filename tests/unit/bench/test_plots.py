"""Pictures: those with data are drawn, whole and always the same."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hpckit.bench.report.load_results import BenchResult, load_result
from hpckit.bench.report.plot_timelines import in_lanes, timelines
from hpckit.bench.report.plots import draw, scaling, spread_labels
from tests.unit.bench.made_up_documents import a_document, a_timeline, write

pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install '.[bench]'")


def read(results: Path, name: str, document: dict[str, Any]) -> BenchResult:
    write(results, name, document)
    bench = load_result(results, name)
    assert bench
    return bench


def test_each_picture_is_there_as_png_and_as_svg(tmp_path: Path) -> None:
    drawn = draw([read(tmp_path, "spot", a_document("spot"))], tmp_path / "pictures")
    assert [path.name for path in drawn] == [
        f"bench-spot-{kind}.{end}"
        for kind in ("lengths", "scaling", "timelines")
        for end in ("png", "svg")
    ]
    assert all(path.stat().st_size > 5000 for path in drawn)


def test_an_svg_drawn_twice_is_the_same_file_and_names_its_document(tmp_path: Path) -> None:
    document = a_document(figures=[], timelines=[a_timeline("hpckit-ray", undisturbed=False)])
    bench = read(tmp_path, "baseline", document)
    once, again = (
        [path.read_text() for path in draw([bench], tmp_path / name) if path.suffix == ".svg"]
        for name in ("once", "again")
    )
    assert once == again
    assert all(f"hpckit bench-baseline.json {bench.digest}" in text for text in once)
    assert not any(re.search(r"<dc:date>|matplotlib.org/\"", text) for text in once)


def split_words(path: Path) -> str:
    """Return the texts in an SVG, which matplotlib writes as comments."""
    return " ".join(re.findall(r"<!-- (.*?) -->", path.read_text(), re.DOTALL))


def drawn_words(tmp_path: Path, kind: str, document: dict[str, Any]) -> str:
    name = document["scenario"]
    paths = draw([read(tmp_path, name, document)], tmp_path / "pictures")
    return split_words(next(path for path in paths if path.name == f"bench-{name}-{kind}.svg"))


def test_the_note_of_a_picture_has_the_confidence_and_explains_only_what_is_drawn(
    tmp_path: Path,
) -> None:
    words = drawn_words(tmp_path, "scaling", a_document("slurm"))
    assert "medians of 3 runs; bars: their range, a 75 % confidence interval" in words
    assert "Hollow" not in words
    assert "Shaded" in words
    assert "Hollow" in drawn_words(tmp_path, "scaling", a_document("baseline"))


def test_timelines_name_the_run_and_explain_the_names_of_rows(tmp_path: Path) -> None:
    document = a_document("spot")
    words = drawn_words(tmp_path, "timelines", document)
    assert "Of each case, the run with the most workers and reclaims." in words
    assert "held" not in words and "r1" not in words
    document["timelines"][-1]["workers"][-1]["name"] = "282_1r1-bench-n2"
    words = drawn_words(tmp_path, "timelines", document)
    assert "The gap before a row with r1 in its name: Slurm holds the requeued job back." in words


def test_the_ideal_is_that_of_the_cores_also_if_all_workers_are_oversubscribed(
    tmp_path: Path,
) -> None:
    document = a_document("slurm")
    document["figures"] = [f for f in document["figures"] if f["workers"] > 1]
    for one in (*document["samples"], *document["figures"]):
        one["cpus"] = 2  # so that two workers have four cores, and share two
    canvas = scaling(read(tmp_path, "slurm", document))
    assert canvas
    ideal = next(line for line in canvas.axes[0].lines if line.get_linestyle() == "--")
    assert list(map(float, ideal.get_xdata())) == [0.0, 1.0, 4.0]


def test_the_label_of_a_cross_does_not_cover_the_makespan(tmp_path: Path) -> None:
    canvas = timelines(read(tmp_path, "spot", a_document("spot")))
    assert canvas
    rows = {text.get_text().strip(): text.xy[1] for axes in canvas.axes for text in axes.texts}
    assert rows["preempted"] >= 0
    assert all(row < 0 for name, row in rows.items() if name.endswith(" s"))


def test_a_picture_without_data_is_not_drawn(tmp_path: Path) -> None:
    document = a_document()
    document["figures"] = [f for f in document["figures"] if f["workers"] == 2]
    drawn = draw([read(tmp_path, "baseline", document)], tmp_path)
    assert {path.stem for path in drawn} == {"bench-baseline-lengths"}


def test_measures_that_were_not_taken_leave_a_gap_and_no_error(tmp_path: Path) -> None:
    document = a_document("slurm", timelines=[])
    for figure in document["figures"]:
        figure["makespan_s"] = figure["throughput_per_s"] = None
    assert draw([read(tmp_path, "slurm", document)], tmp_path)


def test_tasks_that_ran_at_the_same_time_get_lanes_of_their_own() -> None:
    tasks = [(0.0, 2.0, "ok"), (1.0, 2.0, "ok"), (2.0, 1.0, "ok"), (3.0, 1.0, "lost")]
    assert in_lanes(tasks) == [[tasks[0], tasks[2], tasks[3]], [tasks[1]]]


def test_labels_keep_their_order_their_distance_and_their_place_in_the_panel() -> None:
    places = spread_labels([5.0, 5.1, 5.2, 9.9], apart=1.0, top=10.0)
    assert places == sorted(places)
    assert all(b - a >= 0.999 for a, b in pairwise(places))
    assert places[0] > 0 and places[-1] <= 10.0
    assert spread_labels([], apart=1.0, top=10.0) == []
