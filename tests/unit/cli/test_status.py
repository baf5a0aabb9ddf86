"""The page that answers "how is my run?", and its document."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpckit.report.pace import rate_words
from hpckit.report.status_text import job_words
from hpckit.run.jobs import SubmittedJob, record_job
from hpckit.slurm.states import JobState
from tests.unit.cli.conftest import NOW, MadeUp, Prompt

Make = Callable[..., MadeUp]
STATUS_KEYS = {
    "schema", "run", "state", "why", "backend", "shape", "site", "run_dir", "tasks", "counts",
    "makespan_s", "head", "workers", "jobs", "tasks_per_s", "left_s",
}  # fmt: skip


def running(run: MadeUp) -> MadeUp:
    run.slurm.answer("squeue", "7|RUNNING|None|n1|N/A|N/A\n")
    run.head()
    return run


def test_a_run_that_waits_says_what_slurm_says(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.slurm.answer("squeue", "7|PENDING|Priority||N/A|N/A\n")
    said = prompt("status")
    assert said.code == 0
    assert said.out.splitlines()[0] == "sea-ice: waiting: the head's job 7 is PENDING (Priority)"
    assert "  tasks    0 of 10 done (0 %), 10 waiting" in said.out
    assert "`hpckit cancel sea-ice` ends it" in said.out


def test_a_run_that_runs_shows_progress_pace_and_who_has_left(
    made_up: Make, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = running(made_up(tasks=100))
    run.workers("8_0", "8_1", "8_2")
    run.gone("8_1", "PREEMPTED")
    run.gone("8_2", "PREEMPTED")
    for index in range(20):
        run.result(index)
    run.result(20, "error", exit_code=1)
    monkeypatch.setattr(time, "time", lambda: NOW + 10)
    said = prompt("status", "sea-ice")
    assert "  tasks    20 of 100 done (20 %), 1 failed, 79 waiting" in said.out
    assert "  pace     2.1 tasks/s lately; about 37.6 s left" in said.out
    assert "  workers  1 here with 4 cores, 2 left (PREEMPTED: 2)" in said.out
    assert "`hpckit failures sea-ice` says why tasks failed" in said.out


def test_a_large_array_is_a_line_and_not_a_word_for_each_element(
    made_up: Make, prompt: Prompt
) -> None:
    run = running(made_up(tasks=5000))
    record_job(run.dir, SubmittedJob(job_id="8", role="workers", submitted_at=NOW, array="0-999"))
    elements = "".join(
        f"8_{i}|{'RUNNING|None' if i < 600 else 'PENDING|Resources'}||N/A|N/A\n"
        for i in range(1000)
    )
    run.slurm.answer("squeue", f"7|RUNNING|None|n1|N/A|N/A\n{elements}")
    said = prompt("status")
    assert "  job      8 (workers 0-999): 600 RUNNING, 400 PENDING (Resources)" in said.out
    assert len(said.out) < 2000
    assert len(prompt("status", "--json").document["jobs"][1]["states"]) == 1000


def test_a_run_that_has_failed_names_the_next_commands(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.head()
    run.workers("8_0")
    run.result(0)
    run.result(1, "error", exit_code=1)
    run.end("failed")
    said = prompt("status")
    assert said.out.startswith("sea-ice: failed\n")
    assert "  workers  1 took part\n" in said.out
    assert "`hpckit resume sea-ice --failed` runs them again" in said.out


def test_a_stopped_run_says_why_and_how_to_go_on(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.head()
    run.slurm.answer("sacct", "7|TIMEOUT|0:0|None|n1|x|x\n")
    said = prompt("status")
    assert said.out.startswith("sea-ice: stopped: the head's job 7 ended as TIMEOUT\n")
    assert "`hpckit resume sea-ice` goes on with what is left" in said.out


def test_the_document_has_the_keys_that_docs_schemas_names(made_up: Make, prompt: Prompt) -> None:
    run = running(made_up())
    run.workers("8_0")
    run.result(3)
    body = prompt("status", "--json").document
    assert set(body) == STATUS_KEYS
    assert body["schema"] == "hpckit.status/1"
    assert body["counts"] == {"done": 1, "failed": 0, "running": 0, "waiting": 9}
    assert body["head"] == {"job_id": "7", "node": "n1", "pid": 42}
    assert set(body["workers"][0]) == {"name", "job_id", "node", "state", "end_reason"}
    listed = prompt("list", "--json").document
    assert [set(item) for item in listed["runs"]] == [STATUS_KEYS]


def test_one_task_is_told_with_all_that_is_known_of_it(made_up: Make, prompt: Prompt) -> None:
    run = running(made_up())
    run.result(4, "error", exit_code=3, message="exit code 3", stderr="no\n")
    said = prompt("status", "--task", "4")
    assert said.out.startswith("task 4 of sea-ice: failed\n")
    assert "on 8_0: error" in said.out
    assert "  why      exit code 3" in said.out
    body = prompt("status", "--task", "4", "--json").document
    assert (body["state"], body["last_attempt"]["exit_code"]) == ("failed", 3)
    assert "none has come back yet" in prompt("status", "--task", "5").out


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["--task", "10"], "Its tasks are numbered from 0 to 9."),
        (["--task", "x"], "--task is 'x', but must be a whole number of at least 0"),
        (["--watch", "--json"], "--watch goes with neither --json nor --task"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_needed(
    made_up: Make, prompt: Prompt, words: list[str], needed: str
) -> None:
    running(made_up())
    said = prompt("status", *words)
    assert (said.code, said.out) == (2, "")
    assert needed in said.err


def test_a_name_that_is_nearly_right_gets_a_suggestion(made_up: Make, prompt: Prompt) -> None:
    made_up("sea-ice-1")
    said = prompt("status", "sea-ise-1")
    assert said.code == 2
    assert "run 'sea-ise-1' not found; known: sea-ice-1. Did you mean 'sea-ice-1'?" in said.err


def test_without_runs_the_first_step_is_named(prompt: Prompt) -> None:
    assert "no runs yet; start one with `hpckit submit BAG.toml`" in prompt("list").err
    said = prompt("status")
    assert said.code == 2
    assert "Start one with `hpckit submit BAG.toml`" in said.err


def test_a_damaged_run_hides_no_other(made_up: Make, prompt: Prompt, home: Path) -> None:
    made_up("good")
    broken = home / "runs" / "broken"
    broken.mkdir()
    (broken / "plan.json").write_text("{")
    said = prompt("list")
    assert said.code == 0
    assert "good" in said.out
    assert f"{broken} is not a readable run directory" in said.err


def test_a_run_on_an_emulated_cluster_that_was_ended_has_stopped(
    made_up: Make, prompt: Prompt, home: Path
) -> None:
    run = made_up()
    plan = run.dir.read_plan()
    state_dir = home / "cluster"
    (state_dir / "bin").mkdir(parents=True)
    (state_dir / "down").touch()
    text = run.dir.plan.read_text().replace(plan.slurm_bin, str(state_dir / "bin"))
    run.dir.plan.write_text(text.replace('"slurm"', '"emulated"'))
    run.head()
    said = prompt("status")
    assert "sea-ice: stopped: the emulated cluster 'local' is down" in said.out
    assert "`hpckit resume sea-ice`" in said.out
    assert prompt("cancel").code == 0
    assert prompt("status").out.startswith("sea-ice: cancelled\n")


def test_states_are_counted_and_only_what_waits_or_failed_has_a_reason() -> None:
    def states(*items: tuple[str, str]) -> list[JobState]:
        return [JobState(job_id=str(i), state=s, reason=r) for i, (s, r) in enumerate(items)]

    assert job_words(states(("RUNNING", "Prolog"))) == "RUNNING"
    assert job_words(states(("PENDING", "Resources"))) == "PENDING (Resources)"
    assert job_words(states(("FAILED", "NonZeroExitCode"))) == "FAILED (NonZeroExitCode)"
    assert job_words(states(("UNKNOWN", ""))) == "not known to Slurm (any more)"
    assert job_words([]) == "not known to Slurm (any more)"
    mixed = [("RUNNING", "")] * 3 + [("PENDING", "Resources")]
    assert job_words(states(*mixed)) == "3 RUNNING, 1 PENDING (Resources)"


def test_what_slurm_was_not_there_to_say_is_not_taken_for_gone(
    made_up: Make, prompt: Prompt
) -> None:
    run = running(made_up())
    run.slurm.answer("squeue", stderr="Unable to contact slurm controller", code=1)
    said = prompt("status")
    assert "the scheduler does not answer" in said.out
    assert "Slurm did not say" in said.out
    assert "any more" not in said.out


def test_that_slurm_does_not_answer_is_said_before_any_guess(made_up: Make, prompt: Prompt) -> None:
    made_up().slurm.answer("squeue", stderr="Unable to contact slurm controller", code=1)
    first = prompt("status").out.splitlines()[0]
    assert first.startswith("sea-ice: waiting: the scheduler does not answer")


def test_a_head_that_slurm_has_forgotten_before_it_began_has_stopped(
    made_up: Make, prompt: Prompt
) -> None:
    run = made_up()
    assert prompt("status").out.startswith("sea-ice: waiting: ")
    run.dir.jobs.unlink()
    record_job(run.dir, SubmittedJob(job_id="7", role="head", submitted_at=NOW - 1e9))
    first = prompt("status").out.splitlines()[0]
    assert first == ("sea-ice: stopped: Slurm does not know the head's job 7, which never began")


def test_no_time_left_is_promised_where_nobody_works(
    made_up: Make, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = running(made_up(tasks=100))
    run.workers("8_0")
    for index in range(20):
        run.result(index)
    run.gone("8_0", "PREEMPTED")
    monkeypatch.setattr(time, "time", lambda: NOW + 10)
    said = prompt("status")
    assert "lately; no worker is here now" in said.out
    assert "0 here with 0 cores" in said.out


@pytest.mark.parametrize(
    ("rate", "words"),
    [(1083.4, "1083 tasks/s"), (2.34, "2.3 tasks/s"), (0.1, "6 tasks/min"), (0.001, "3.6 tasks/h")],
)
def test_a_rate_has_the_unit_that_reads_well(rate: float, words: str) -> None:
    assert rate_words(rate) == words
