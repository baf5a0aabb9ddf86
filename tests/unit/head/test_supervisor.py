import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hpckit.errors import SchedulerError
from hpckit.head import exit_codes, supervisor
from hpckit.head.requeue import requeue_with_retries
from hpckit.head.supervisor import Supervisor, death_message, outcome
from hpckit.run.events import Ended
from hpckit.run.state import RunState
from tests.unit.factories import make_plan


@pytest.fixture
def kept_signals() -> object:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    yield None
    for number, handler in before.items():
        signal.signal(number, handler)


def supervised(monkeypatch: pytest.MonkeyPatch, *codes: int) -> tuple[int, int]:
    """Return the supervisor's code when its loops end with `codes`, and how many it started."""
    left = list(codes)
    monkeypatch.setattr(Supervisor, "_run_loop", lambda _: left.pop(0))
    monkeypatch.setattr(Supervisor, "_has_ended", lambda _: left[:1] != [1])
    monkeypatch.setattr(supervisor, "end_descendants", lambda: None)
    monkeypatch.setattr(supervisor, "become_subreaper", lambda: None)
    monkeypatch.setattr(supervisor, "LATE_S", 0.05)
    monkeypatch.setattr(supervisor, "AWAIT_REQUEUE_S", 0.0)
    monkeypatch.setattr(supervisor.time, "sleep", lambda _: None)
    return Supervisor("/run")(), len(codes) - len(left)


@pytest.mark.usefixtures("kept_signals")
def test_a_loop_that_dies_or_is_told_to_go_by_itself_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = (-signal.SIGKILL, exit_codes.FLUSHED, exit_codes.TASKS_FAILED)
    assert supervised(monkeypatch, *codes) == (exit_codes.TASKS_FAILED, 3)


@pytest.mark.usefixtures("kept_signals")
def test_a_loop_that_met_a_bug_is_started_again_whatever_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert supervised(monkeypatch, 1, 1, 9) == (1, 2)  # after the first there is no end event


def test_a_run_that_has_its_last_word_has_ended(tmp_path: Path) -> None:
    made = Supervisor(str(tmp_path))
    assert made._has_ended()  # and a run directory that cannot be read is not tried again
    (tmp_path / "plan.json").write_text(make_plan(tasks=1).to_json())
    (tmp_path / "journal").mkdir()
    assert not made._has_ended()


@pytest.mark.usefixtures("kept_signals")
def test_a_loop_that_keeps_dying_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    most = supervisor.MAX_RESTARTS
    assert supervised(monkeypatch, *[-signal.SIGSEGV] * 20) == (exit_codes.BROKEN, most + 1)


@pytest.mark.usefixtures("kept_signals")
def test_a_warning_that_comes_a_moment_after_the_loop_has_left_counts() -> None:
    made = Supervisor("/run")
    signal.signal(signal.SIGTERM, made._warn)
    late = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
    late.start()
    assert made._is_warned(10.0)
    late.join()
    assert not Supervisor("/run")._is_warned(0.0)


STUCK = """
import os, time
handle = int(os.environ["HPCKIT_HEAD_PULSE"])
for _ in range({beats}):
    os.write(handle, b".")
    time.sleep(0.05)
time.sleep({then})
"""


def run_stub(monkeypatch: pytest.MonkeyPatch, code: str) -> int:
    """Let the supervisor run `code` in place of a loop; return how that ended."""
    real = subprocess.Popen

    started = []

    def start(argv: list[str], **how: object) -> object:
        started.append(real([sys.executable, "-c", code], **how))  # type: ignore[call-overload]
        return started[0]

    monkeypatch.setattr(supervisor.subprocess, "Popen", start)
    try:
        return Supervisor("/run")._run_loop()
    finally:
        started[0].wait()


def test_a_loop_that_does_nothing_for_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOP_IS_STUCK_S", 2.0)
    assert run_stub(monkeypatch, STUCK.format(beats=1, then=60)) == -signal.SIGKILL


def test_a_loop_that_beats_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOOP_IS_STUCK_S", 5.0)
    assert run_stub(monkeypatch, STUCK.format(beats=20, then=0)) == 0


def test_a_loop_that_no_signal_reaches_ends_the_job_with_a_clear_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The kernel holds a process whose file system does not answer; here the kill goes astray."""

    class Left(BaseException):
        pass

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(supervisor, "LOOP_IS_STUCK_S", 0.2)
    monkeypatch.setattr(supervisor, "KILL_S", 0.2)
    monkeypatch.setattr(Supervisor, "_tell_loop", lambda *_: None)
    monkeypatch.setattr(supervisor.os, "_exit", leave)
    with pytest.raises(Left, match=str(exit_codes.BROKEN)):
        run_stub(monkeypatch, "import time; time.sleep(3)")
    assert "does not answer. When it does: hpckit resume" in capfd.readouterr().out


def test_a_loops_death_is_told_in_words() -> None:
    assert "SIGKILL" in death_message(-9)
    assert "without an end event" in death_message(1)
    assert "told to go" in death_message(exit_codes.FLUSHED)


class Controller:
    """Away for some time, on a clock of its own."""

    def __init__(self, away_s: float) -> None:
        self.now, self.back_at, self.requeued = 0.0, away_s, 0

    def ask(self, job_id: str, *, slurm_bin: str) -> None:
        assert (job_id, slurm_bin) == ("57", "")
        if self.now < self.back_at:
            raise SchedulerError("Unable to contact slurm controller")
        self.requeued += 1

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("away_s", "requeued"), [(0, 1), (45, 1), (500, 0)])
def test_a_warned_job_is_requeued_when_the_controller_is_back_in_time(
    away_s: float, requeued: int
) -> None:
    slurm = Controller(away_s)
    plan = make_plan(warning_s=120)
    code = requeue_with_retries(
        "57", plan, ask=slurm.ask, clock=lambda: slurm.now, sleep=slurm.sleep
    )  # fmt: skip
    assert code == exit_codes.TERMINATED
    assert slurm.requeued == requeued


def test_a_full_disk_ends_the_job_with_3_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/runs/r/submitit/7_result.pkl")

    monkeypatch.setattr(supervisor, "supervise", full)
    assert supervisor.main([str(tmp_path / "r")]) == exit_codes.BROKEN
    assert "7_result.pkl: No space left on device. Make room, then `hpckit resume r`" in (
        capfd.readouterr().out
    )


def test_a_run_directory_without_a_plan_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert supervisor.main([str(tmp_path)]) == exit_codes.BROKEN
    assert "is not a readable run directory" in capfd.readouterr().out


def test_the_journals_last_word_decides_the_exit_code() -> None:
    state = RunState(1)
    assert outcome(state, 0) == exit_codes.BROKEN
    assert outcome(state, 143) == 143
    for word, code in (("done", 0), ("failed", 1), ("cancelled", 1), ("stopped", 3)):
        state.apply(Ended(t=1.0, state=word), 1)
        assert outcome(state, 0) == code
