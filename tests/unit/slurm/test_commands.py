from __future__ import annotations

import time
from pathlib import Path

import pytest

from hpckit.errors import SchedulerError
from hpckit.slurm.command import CommandFailed, CommandMissing, CommandStuck, run_slurm
from hpckit.slurm.jobs import job_history, job_states, reachable
from hpckit.slurm.requeue import requeue
from hpckit.slurm.sbatch import sbatch, scancel
from tests.unit.slurm.fake import FakeSlurm, fake_slurm


@pytest.fixture
def slurm(tmp_path: Path) -> FakeSlurm:
    return fake_slurm(tmp_path / "slurm's bin")


def test_a_failure_shows_argv_exit_code_and_stderr(slurm: FakeSlurm) -> None:
    slurm.answer("sbatch", stderr="sbatch: error: Invalid account\n", code=1)
    with pytest.raises(CommandFailed) as caught:
        sbatch(Path("/scratch/a b.sh"), slurm_bin=slurm.bin)
    message = str(caught.value)
    assert "--parsable '/scratch/a b.sh'` ended with exit code 1" in message
    assert "sbatch: error: Invalid account" in message
    assert "Name an account with --account" in message


def test_variables_of_an_outer_job_do_not_reach_sbatch(
    slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SBATCH_PARTITION", "SLURM_EXPORT_ENV"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    slurm.script("sbatch", 'env | grep -E "^(SLURM|SBATCH)_" >>"$log"; echo 57\n')
    assert sbatch(Path("/x.sh"), slurm_bin=slurm.bin) == "57"
    assert slurm.asked[1:] == ["SLURM_CONF=/etc/slurm/slurm.conf"]


def test_a_missing_command_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(CommandMissing, match=r"cannot run `.*/squeue`: No such file"):
        run_slurm("squeue", [], slurm_bin=str(tmp_path))


def test_a_command_that_does_not_answer_is_stopped(slurm: FakeSlurm) -> None:
    slurm.script("squeue", "exec sleep 60\n")
    begun = time.monotonic()
    with pytest.raises(CommandStuck, match=r"did not answer within 0.2 s"):
        run_slurm("squeue", [], slurm_bin=slurm.bin, timeout_s=0.2)
    assert time.monotonic() - begun < 5


def test_reachable_is_false_without_slurm_and_raises_nothing(
    slurm: FakeSlurm, tmp_path: Path
) -> None:
    slurm.answer("scontrol", "Slurmctld(primary) at c is UP\n")
    assert reachable(slurm.bin)
    none = "scontrol: fatal: Could not establish a configuration source\n"
    slurm.answer("scontrol", stderr=none, code=1)
    assert not reachable(slurm.bin)
    assert not reachable(str(tmp_path))


def test_a_controller_that_does_not_answer_is_an_error_and_not_a_machine_without_slurm(
    slurm: FakeSlurm,
) -> None:
    slurm.answer("scontrol", "Slurmctld(primary) at c is DOWN\n", code=1)
    with pytest.raises(SchedulerError, match="no controller answers") as caught:
        reachable(slurm.bin)
    assert "--site local" in caught.value.hint


def test_the_controllers_answer_is_enough_while_accounting_does_not_answer(
    slurm: FakeSlurm,
) -> None:
    slurm.answer("squeue", "8_0|RUNNING|None|n1|a|b\n")
    slurm.answer("sacct", stderr="sacct: error: Problem talking to the database\n", code=1)
    assert job_states(["8"], slurm_bin=slurm.bin)["8_0"].state == "RUNNING"
    with pytest.raises(SchedulerError, match="Problem talking"):
        job_states(["8", "9"], slurm_bin=slurm.bin)


def test_running_jobs_need_one_question(slurm: FakeSlurm) -> None:
    slurm.answer("squeue", "7|RUNNING|None|n1|a|b\n8_0|PENDING|Resources||N/A|N/A\n")
    states = job_states(["7", "8_0"], slurm_bin=slurm.bin)
    assert {job: state.state for job, state in states.items()} == {"7": "RUNNING", "8_0": "PENDING"}
    assert len(slurm.asked) == 1
    assert "--jobs=7,8" in slurm.asked[0]


def test_accounting_is_asked_for_jobs_that_the_controller_has_forgotten(slurm: FakeSlurm) -> None:
    slurm.answer("squeue", "8|RUNNING|None|n1|a|b\n")
    slurm.answer("sacct", "7|TIMEOUT|0:15|None|n1|a|b\n")
    states = job_states(["7", "8"], slurm_bin=slurm.bin)
    assert (states["7"].state, states["7"].signal) == ("TIMEOUT", 15)
    assert states["8"].state == "RUNNING"
    assert "--jobs=7 " in slurm.asked[1]


def test_the_controllers_answer_counts_while_accounting_is_late(slurm: FakeSlurm) -> None:
    slurm.answer("squeue", "7|FAILED|NonZeroExitCode|n1|a|b\n")
    slurm.answer("sacct", "7|PREEMPTED|0:0|None|n1|a|b\n7|RUNNING|0:0|None|n1|a|Unknown\n")
    state = job_states(["7"], slurm_bin=slurm.bin)["7"]
    assert (state.state, state.reason, state.exit_code) == ("FAILED", "NonZeroExitCode", None)


def test_without_accounting_scontrol_tells_how_recent_jobs_ended(slurm: FakeSlurm) -> None:
    slurm.answer("squeue", stderr="slurm_load_jobs error: Invalid job id specified", code=1)
    slurm.answer("sacct", stderr="Slurm accounting storage is disabled", code=1)
    slurm.answer("scontrol", "JobId=7 JobState=NODE_FAIL Reason=None ExitCode=0:0 NodeList=n2\n")
    state = job_states(["7"], slurm_bin=slurm.bin)["7"]
    assert (state.state, state.end_reason, state.nodes) == ("NODE_FAIL", "NODE_FAIL", ("n2",))


def test_an_unknown_job_does_not_count_as_completed(slurm: FakeSlurm) -> None:
    slurm.answer("squeue")
    slurm.answer("sacct")
    state = job_states(["7"], slurm_bin=slurm.bin)["7"]
    assert (state.state, state.phase, state.end_reason) == ("UNKNOWN", "unknown", "")


def test_a_controller_that_is_down_is_an_error(slurm: FakeSlurm) -> None:
    slurm.answer("squeue", stderr="Unable to contact slurm controller", code=1)
    with pytest.raises(SchedulerError, match="Unable to contact"):
        job_states(["7"], slurm_bin=slurm.bin)


def test_an_array_is_answered_by_its_elements(slurm: FakeSlurm) -> None:
    slurm.answer("squeue", "7_1|RUNNING|None|n1|a|b\n")
    slurm.answer("sacct", "7_0|COMPLETED|0:0|None|n1|a|b\n7_1|RUNNING|0:0|None|n1|a|Unknown\n")
    states = job_states(["7"], slurm_bin=slurm.bin)
    assert {job: state.state for job, state in states.items()} == {
        "7_0": "COMPLETED",
        "7_1": "RUNNING",
    }


def test_every_run_of_a_requeued_job_is_returned(slurm: FakeSlurm) -> None:
    slurm.answer("sacct", "7_0|PREEMPTED|0:0|None|n1|a|b\n7_0|RUNNING|0:0|None|n2|b|Unknown\n")
    lives = job_history(["7"], slurm_bin=slurm.bin)["7_0"]
    assert [life.state for life in lives] == ["PREEMPTED", "RUNNING"]
    assert "--duplicates" in slurm.asked[0]


def test_cancelling_jobs_that_have_ended_is_no_error(slurm: FakeSlurm) -> None:
    words = "scancel: error: Kill job error on job id 7: Invalid job id specified\n"
    slurm.answer("scancel", stderr=words, code=1)
    scancel(["7"], slurm_bin=slurm.bin)
    slurm.answer("scancel", stderr="scancel: error: Access/permission denied\n", code=1)
    with pytest.raises(SchedulerError, match="permission denied"):
        scancel(["7"], slurm_bin=slurm.bin)


def test_cancelling_no_jobs_runs_no_command(slurm: FakeSlurm) -> None:
    scancel([], slurm_bin=slurm.bin)
    assert slurm.asked == []


def test_a_job_that_cannot_be_requeued_is_an_error(slurm: FakeSlurm) -> None:
    slurm.answer("scontrol", stderr="Requested operation is presently disabled", code=1)
    with pytest.raises(SchedulerError, match="presently disabled"):
        requeue("7", slurm_bin=slurm.bin)
    assert slurm.asked == ["scontrol requeue 7"]
