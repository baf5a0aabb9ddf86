"""failures, results, logs: what tasks left behind, few or many."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from hpckit.cli import console
from hpckit.report.failures import signature
from tests.unit.cli.conftest import MadeUp, Prompt

Make = Callable[..., MadeUp]
Terminal = Callable[[int], None]


def test_few_failures_are_a_line_each_with_their_last_words(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.head()
    run.result(
        1, "error", exit_code=3, message="exit code 3", stderr="Traceback\nKeyError: 'x'\n\n"
    )
    run.result(2, "signal", signal=11, message="ended by SIGSEGV")
    run.result(3, "missing_output", exit_code=0, message="/out is not there", stderr="warning\n")
    said = prompt("failures")
    rows = [line.split() for line in said.out.splitlines()[2:]]
    assert rows[0] == ["1", "error", "3", "8_0", "KeyError:", "'x'"]
    assert rows[1] == ["2", "signal", "SIGSEGV", "8_0", "ended", "by", "SIGSEGV"]
    assert rows[2] == ["3", "missing_output", "0", "8_0", "/out", "is", "not", "there"]
    assert "`hpckit logs sea-ice --task 1 --stderr`" in said.err


def test_many_failures_come_in_groups_of_the_same_cause(made_up: Make, prompt: Prompt) -> None:
    run = made_up(tasks=60)
    run.head()
    for i in range(40):
        run.result(i, "error", exit_code=1, stderr=f"cannot open '/data/f{i}.npy' (pid {i})\n")
    for i in range(40, 45):
        run.result(i, "timeout", signal=9, message="longer than 5 s")
    said = prompt("failures")
    lines = said.out.splitlines()
    assert len(lines) == 4
    assert lines[2].split()[:6] == ["40", "error", "1", "0,", "1,", "2"]
    assert lines[3].split()[:3] == ["5", "timeout", "SIGKILL"]
    assert "45 tasks failed; each on a line: `hpckit failures sea-ice --all`" in said.err
    assert len(prompt("failures", "--all").out.splitlines()) == 47
    body = prompt("failures", "--json").document
    assert len(body["failures"]) == 45
    assert set(body["failures"][0]) == {
        "index", "kind", "exit_code", "signal", "message", "stderr", "workers",
    }  # fmt: skip
    assert [group["count"] for group in body["groups"]] == [40, 5]
    assert body["groups"][0]["signature"] == "cannot open # (pid #)"


def test_words_of_one_cause_have_one_signature() -> None:
    assert signature("File 'a.nc': 3 bytes at 0xff") == signature("File 'b.nc': 40 bytes at 0x0a")
    assert signature("cannot read /a/b.nc") == signature("cannot read data/c.nc")
    assert signature("cannot read") != signature("cannot write")


def test_no_failures_is_a_message_and_no_table(made_up: Make, prompt: Prompt) -> None:
    made_up()
    said = prompt("failures")
    assert (said.code, said.out) == (0, "")
    assert "no task of sea-ice has failed" in said.err


def test_results_survive_commas_quotes_and_newlines(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.head()
    run.result(0, value={"note": 'a,"b"\nc', "size": {"in": 3, "out": [1, 2]}})
    rows = list(csv.DictReader(io.StringIO(prompt("results", "--csv").out)))
    assert rows == [
        {"task": "0", "n": "0", "note": 'a,"b"\nc', "size.in": "3", "size.out": "[1, 2]",
         "wall_s": "0.1"}
    ]  # fmt: skip
    shown = prompt("results").out.splitlines()
    assert len(shown) == 3  # a row stays a line
    assert r'a,"b"\nc' in shown[2]


def test_results_keep_numbers_that_json_does_not_have_as_text(
    made_up: Make, prompt: Prompt
) -> None:
    run = made_up()
    run.head()
    run.result(0, value={"psnr": float("inf"), "of": {"each": [1.5, float("-inf"), float("nan")]}})
    run.result(1, value={"psnr": 41.5, "of": {"each": [2**70]}})
    body = prompt("results", "--json").document
    assert [row["psnr"] for row in body["rows"]] == ["Infinity", 41.5]
    assert [row["of.each"] for row in body["rows"]] == [[1.5, "-Infinity", "NaN"], [2**70]]
    rows = list(csv.DictReader(io.StringIO(prompt("results", "--csv").out)))
    assert [row["psnr"] for row in rows] == ["Infinity", "41.5"]
    assert rows[0]["of.each"] == '[1.5, "-Infinity", "NaN"]'
    assert float(rows[0]["psnr"]) == float("inf")


def test_what_a_task_prints_never_hides_its_index_parameters_or_time(
    made_up: Make, prompt: Prompt
) -> None:
    run = made_up()
    run.head()
    run.result(1, value={"task": "mine", "n": 1, "wall_s": 99})
    body = prompt("results", "--json").document
    assert body["schema"] == "hpckit.results/1"
    assert body["columns"] == ["task", "n", "value.task", "value.wall_s", "wall_s"]
    assert body["rows"] == [
        {"task": 1, "n": 1, "value.task": "mine", "value.wall_s": 99, "wall_s": 0.1}
    ]


def test_a_terminal_gets_a_screenful_and_a_pipe_gets_all(
    made_up: Make, prompt: Prompt, terminal: Terminal
) -> None:
    run = made_up(tasks=100)
    run.head()
    for index in range(100):
        run.result(index)
    assert len(prompt("results").out.splitlines()) == 102
    terminal(100)
    said = prompt("results")
    assert len(said.out.splitlines()) == 2 + console.SCREEN_ROWS
    assert "and 60 more rows: --all shows them" in said.err
    assert len(prompt("results", "--all").out.splitlines()) == 102


def test_results_of_a_run_without_any_say_so(made_up: Make, prompt: Prompt) -> None:
    made_up()
    said = prompt("results")
    assert (said.code, said.out) == (0, "")
    assert "no task of sea-ice is done yet" in said.err


def test_two_forms_of_a_table_at_once_are_refused(made_up: Make, prompt: Prompt) -> None:
    made_up()
    assert prompt("results", "--csv", "--json").code == 2


def test_a_narrow_terminal_folds_what_is_long_and_keeps_names_whole(
    capsys: pytest.CaptureFixture[str], terminal: Terminal
) -> None:
    terminal(50)
    name = "a-run-with-a-rather-long-name"
    console.table(("run", ">n", "why"), [(name, 3, "word " * 12)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 51
    assert lines[2].startswith(f"{name}  3  word word word")
    assert len(lines) > 4


def test_a_tasks_output_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(("why",), [("\x1b[2J\x07gone\tü",)])
    assert capsys.readouterr().out.splitlines()[2] == r"\x1b[2J\x07gone\tü"


def test_logs_of_a_task_are_what_it_printed(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.head()
    run.result(2, stdout="hello\n", stderr="")
    assert prompt("logs", "--task", "2").out == "hello\n"
    said = prompt("logs", "--task", "2", "--stderr")
    assert said.out == ""
    assert "task 2 wrote nothing to stderr; it wrote to stdout" in said.err
    body = prompt("logs", "--task", "2", "--json").document
    assert body["stdout"] == "hello\n"


def test_logs_of_a_task_that_has_not_run_say_so(made_up: Make, prompt: Prompt) -> None:
    made_up()
    said = prompt("logs", "--task", "2")
    assert said.code == 2
    assert "task 2 of sea-ice has printed nothing yet" in said.err


def test_logs_show_the_head_last_and_leave_out_empty_files(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    (run.dir.logs / "head-7.log").write_text("head\n")
    (run.dir.logs / "workers-8_0.log").write_text("worker, no line end")
    (run.dir.logs / "empty.log").touch()
    lines = prompt("logs").out.splitlines()
    assert [line for line in lines if not line.startswith("==>")] == ["worker, no line end", "head"]
    assert [log["name"] for log in prompt("logs", "--json").document["logs"]] == [
        "workers-8_0.log", "head-7.log",
    ]  # fmt: skip


def test_a_terminal_gets_the_end_of_huge_logs(
    made_up: Make, prompt: Prompt, terminal: Terminal
) -> None:
    run = made_up()
    (run.dir.logs / "head-7.log").write_text("".join(f"line {i}\n" for i in range(100_000)))
    terminal(100)
    said = prompt("logs")
    assert len(said.out.splitlines()) < 60
    assert said.out.endswith("line 99999\n")
    assert "all: `hpckit logs sea-ice | less`" in said.err


def test_stderr_without_a_task_is_refused(made_up: Make, prompt: Prompt) -> None:
    made_up()
    assert "--task I --stderr" in prompt("logs", "--stderr").err


def test_logs_before_any_say_where_to_look(made_up: Make, prompt: Prompt) -> None:
    made_up()
    said = prompt("logs")
    assert (said.code, said.out) == (0, "")
    assert "see `hpckit status sea-ice`" in said.err
