"""wait, cancel, resume, rm: exit codes, and words on what goes on and what to do next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hpckit.cli import progress
from hpckit.cli.interrupts import Terminated
from hpckit.run.find_run import remember_run
from hpckit.run.rundir import RunDir
from hpckit.run.snapshot import Snapshot
from tests.unit.cli.conftest import MadeUp, Prompt

Make = Callable[..., MadeUp]
RUNNING = "7|RUNNING|None|n1|N/A|N/A\n"


def running(run: MadeUp) -> MadeUp:
    run.slurm.answer("squeue", RUNNING)
    run.head()
    return run


@pytest.mark.parametrize(
    ("state", "code"), [("done", 0), ("failed", 1), ("cancelled", 1), ("stopped", 3)]
)
def test_wait_exits_with_the_code_of_the_run(
    made_up: Make, prompt: Prompt, state: str, code: int
) -> None:
    run = made_up()
    run.head()
    run.result(0)
    run.end(state, "disk full" if state == "stopped" else "")
    said = prompt("wait")
    assert (said.code, said.out) == (code, "")
    assert f"sea-ice is {state}: 1 of 10 tasks done, 9 left" in said.err
    assert ("`hpckit resume sea-ice`" in said.err) == (state == "stopped")
    quiet = prompt("wait", "--json")
    assert (quiet.code, quiet.err) == (code, "")
    assert quiet.document["state"] == state


def test_wait_gives_up_when_its_time_is_over_and_the_run_goes_on(
    made_up: Make, prompt: Prompt
) -> None:
    running(made_up())
    said = prompt("wait", "--timeout", "1s")
    assert said.code == 3
    assert "run sea-ice has not ended within 1 s; it goes on" in said.err
    assert prompt("wait", "--timeout", "1s", "--json").document["state"] == "running"


def test_a_time_that_cannot_be_read_names_its_option(prompt: Prompt) -> None:
    said = prompt("wait", "--timeout", "1x")
    assert said.code == 2
    assert "--timeout: cannot read '1x' as a duration" in said.err
    assert '\n  Write it as "90s"' in said.err


@pytest.mark.parametrize(("came", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
@pytest.mark.parametrize("words", [["wait"], ["wait", "--json"], ["status", "--watch"]])
def test_an_interrupt_says_that_the_run_goes_on(
    made_up: Make,
    prompt: Prompt,
    monkeypatch: pytest.MonkeyPatch,
    came: type[BaseException],
    code: int,
    words: list[str],
) -> None:
    running(made_up())

    def interrupted(_run_dir: object) -> Snapshot | None:
        raise came

    monkeypatch.setattr(progress, "read_snapshot", interrupted)
    said = prompt(*words)
    assert (said.code, said.out) == (code, "")
    assert "sea-ice goes on without this command; `hpckit wait sea-ice`" in said.err
    assert "`hpckit cancel sea-ice` ends it" in said.err


def test_cancel_ends_the_jobs_and_says_how_to_go_on(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.slurm.answer("squeue", "7|PENDING|Priority||N/A|N/A\n")
    said = prompt("cancel")
    assert (said.code, said.out) == (0, "")
    assert "sea-ice is cancelled: 0 of 10 tasks done" in said.err
    assert "`hpckit resume sea-ice`" in said.err
    assert any(line.startswith("scancel") and "7" in line for line in run.slurm.asked)


def test_cancelling_twice_is_no_error(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.head()
    run.end("cancelled")
    said = prompt("cancel")
    assert said.code == 0
    assert "sea-ice has ended already" in said.err
    assert not [line for line in run.slurm.asked if line.startswith("scancel")]
    assert prompt("cancel", "--json").document["state"] == "cancelled"


AWAY = "slurm_load_jobs error: Unable to contact slurm controller\n"


def test_while_slurm_does_not_answer_nothing_is_taken_for_cancelled_or_removed(
    made_up: Make, prompt: Prompt
) -> None:
    run = made_up()
    for command in ("squeue", "scancel"):
        run.slurm.answer(command, stderr=AWAY, code=1)
    for _ in range(2):
        said = prompt("cancel")
        assert said.code == 3
        assert "Unable to contact" in said.err
    said = prompt("rm", "sea-ice")
    assert said.code == 3
    assert "whether jobs of sea-ice are left cannot be found out" in said.err
    assert run.dir.root.exists()


def test_a_stopped_run_that_is_cancelled_is_called_cancelled(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.head()
    run.end("stopped", "disk full")
    assert prompt("status").out.startswith("sea-ice: stopped: disk full\n")
    prompt("cancel")
    assert prompt("status").out.startswith("sea-ice: cancelled\n")


def test_a_failed_slurm_command_is_our_code_3_whatever_its_own(
    made_up: Make, prompt: Prompt
) -> None:
    run = made_up()
    run.slurm.answer("squeue", "7|PENDING|Priority||N/A|N/A\n")
    run.slurm.answer("scancel", stderr="scancel: error: slurm_kill_job: down\n", code=1)
    said = prompt("cancel")
    assert said.code == 3
    assert "slurm_kill_job: down" in said.err


def test_what_runs_can_be_neither_resumed_nor_removed(made_up: Make, prompt: Prompt) -> None:
    run = running(made_up())
    resumed = prompt("resume")
    assert resumed.code == 2
    assert "run sea-ice is running; only what has ended can be resumed" in resumed.err
    removed = prompt("rm", "sea-ice")
    assert removed.code == 2
    assert "End it first: `hpckit cancel sea-ice`." in removed.err
    assert run.dir.root.is_dir()


def test_a_stopped_run_whose_workers_wait_is_not_removed(made_up: Make, prompt: Prompt) -> None:
    run = made_up()
    run.head()
    run.end("stopped", "disk full")
    run.slurm.answer("squeue", RUNNING)
    said = prompt("rm", "sea-ice")
    assert said.code == 2
    assert "1 of its jobs are still there" in said.err
    assert run.dir.root.is_dir()


def test_resume_of_what_is_done_says_that_nothing_is_left(made_up: Make, prompt: Prompt) -> None:
    run = made_up(tasks=2)
    run.head()
    run.result(0)
    run.result(1, "error", exit_code=1)
    run.end("failed")
    said = prompt("resume")
    assert (said.code, said.out) == (0, "")
    assert "1 task failed for good; `hpckit resume " in said.err
    assert "nothing is left to do" in said.err


def test_rm_needs_a_name_and_removes_the_record_alone(
    made_up: Make, prompt: Prompt, home: Path
) -> None:
    run = made_up()
    run.head()
    run.end("done")
    output = home / "work" / "out.zfp"
    output.touch()
    assert prompt("rm").code == 2
    said = prompt("rm", "sea-ice", "--json")
    assert said.document == {"schema": "hpckit.rm/1", "run": "sea-ice", "removed": True}
    assert not run.dir.root.exists()
    assert output.exists()
    assert prompt("rm", "sea-ice").code == 2


def test_a_run_whose_directory_was_removed_by_hand_is_forgotten(
    made_up: Make, prompt: Prompt
) -> None:
    made_up("kept")
    gone = made_up("gone")
    gone.dir.plan.unlink()
    assert "gone" not in prompt("list").out
    assert "run 'gone' not found; known: kept." in prompt("status", "gone").err


def test_a_run_in_a_directory_with_two_names_is_listed_once(
    made_up: Make, prompt: Prompt, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up()
    (home / "link").symlink_to(home / "runs")
    monkeypatch.setenv("HPCKIT_RUNS", str(home / "link"))
    remember_run(RunDir(home / "link" / "sea-ice"))
    body = prompt("list", "--json").document
    assert [run["run"] for run in body["runs"]] == ["sea-ice"]
