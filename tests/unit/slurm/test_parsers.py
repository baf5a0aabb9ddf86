"""Parsers read outputs of Slurm 22.05.8 (`captured/`), and any other text without errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpckit.errors import SchedulerError
from hpckit.slurm.hostlist import base_id, expand_hosts, expand_job
from hpckit.slurm.sacct import parse_sacct
from hpckit.slurm.sbatch import parse_job_id
from hpckit.slurm.scontrol import parse_jobs, parse_nodes, parse_pairs
from hpckit.slurm.sinfo import parse_sinfo
from hpckit.slurm.squeue import parse_squeue
from hpckit.slurm.states import JobState, read_exit, read_state

CAPTURED = Path(__file__).parent / "captured"


def captured(name: str) -> str:
    return (CAPTURED / f"{name}.txt").read_text()


def test_squeue_gives_state_reason_nodes_and_expected_end() -> None:
    states = {state.job_id: state for state in parse_squeue(captured("squeue"))}
    assert states["35_0"] == JobState(
        job_id="35_0",
        state="RUNNING",
        nodes=("n2",),
        started_at="2026-11-21T21:02:31",
        ended_at="2026-11-21T21:12:31",
    )
    assert (states["34"].state, states["34"].reason) == ("FAILED", "NonZeroExitCode")
    assert states["34"].end_reason == "FAILED (NonZeroExitCode)"
    assert states["42"].reason == "JobHeldUser"
    assert states["42"].started_at == ""
    assert states["40_3"].reason.startswith("Nodes required for job are DOWN, DRAINED")


def test_a_compressed_array_in_squeue_is_expanded_to_its_elements() -> None:
    ids = [state.job_id for state in parse_squeue(captured("squeue_folded"))]
    assert ids[-6:] == [f"40_{i}" for i in range(6)]


def test_a_reason_may_contain_a_bar() -> None:
    (state,) = parse_squeue("7|PENDING|ReqNodeNotAvail, UnavailableNodes:a|b||N/A|N/A\n")
    assert state.reason == "ReqNodeNotAvail, UnavailableNodes:a|b"


def test_sacct_gives_the_ends_of_jobs() -> None:
    states = {state.job_id: state for state in parse_sacct(captured("sacct"))}
    assert (states["40_3"].state, states["40_3"].exit_code) == ("FAILED", 3)
    assert (states["41"].exit_code, states["41"].signal) == (None, 11)
    assert states["35_0"].state == "CANCELLED"  # sacct writes "CANCELLED by 0"
    assert states["39"].nodes == ()


def test_the_reason_why_a_job_waited_is_not_the_reason_why_it_ended() -> None:
    states = {state.job_id: state for state in parse_sacct(captured("sacct"))}
    assert states["40_3"].reason == ""
    assert states["40_3"].end_reason == "FAILED"


def test_a_running_job_has_no_exit_code_although_sacct_prints_one() -> None:
    states = {state.job_id: state for state in parse_sacct(captured("sacct_early"))}
    assert states["35_0"].phase == "running"
    assert states["35_0"].exit_code is None
    assert states["35_0"].ended_at == ""


def test_waiting_elements_in_sacct_are_separate() -> None:
    ids = [state.job_id for state in parse_sacct(captured("sacct_early"))]
    assert ids[-6:] == [f"40_{i}" for i in range(6)]


def test_steps_in_sacct_are_left_out() -> None:
    text = "57|COMPLETED|0:0|None|n1|a|b\n57.batch|COMPLETED|0:0|None|n1|a|b\n"
    assert [state.job_id for state in parse_sacct(text)] == ["57"]


def test_scontrol_gives_exit_code_reason_and_restarts() -> None:
    (state,) = parse_jobs(captured("show_job"))
    assert (state.job_id, state.state, state.exit_code) == ("34", "FAILED", 1)
    assert (state.reason, state.restarts, state.nodes) == ("NonZeroExitCode", 0, ("n1",))


def test_scontrol_gives_the_elements_of_a_waiting_array() -> None:
    states = parse_jobs(captured("show_job_array"))
    assert [state.job_id for state in states] == [f"40_{i}" for i in range(6)]
    assert {state.phase for state in states} == {"waiting"}


def test_a_value_in_scontrol_may_contain_spaces() -> None:
    pairs = parse_pairs(captured("show_job"))
    assert pairs["StdOut"].endswith("é b/sea-ice-20261121-210230/logs/head-34.log")
    assert pairs["Power"] == ""


def test_nodes_have_cpus_memory_and_state() -> None:
    nodes = {node.name: node for node in parse_nodes(captured("show_node"))}
    assert set(nodes) == {"n1", "n2", "n3", "n4"}
    assert (nodes["n2"].cpus, nodes["n2"].memory_mib, nodes["n2"].state) == (2, 4000, "IDLE")


def test_sinfo_gives_partitions() -> None:
    groups = parse_sinfo(captured("sinfo"))
    debug = [group for group in groups if group.partition == "debug"]
    assert sum(group.nodes for group in debug) == 4
    assert all(group.default and group.up for group in debug)
    assert (debug[0].cpus, debug[0].memory_mib, debug[0].gpus) == (2, 4000, 2)
    assert debug[0].max_walltime_s == 86400
    assert next(g for g in groups if g.partition == "short").max_walltime_s == 120


@pytest.mark.parametrize(
    ("gres", "count"),
    [
        ("gpu:a100:4(S:0-1)", 4),
        ("gpu:2", 2),
        ("gpu:a100:2,gpu:t4:1,nvme:1", 3),
        ("(null)", 0),
        ("lustre:8", 0),
    ],
)
def test_gpus_of_every_type_are_counted(gres: str, count: int) -> None:
    (group,) = parse_sinfo(f"gpu|gpu|up|infinite|1|64+|500000+|{gres}\n")
    assert (group.gpus, group.cpus, group.max_walltime_s) == (count, 64, None)


@pytest.mark.parametrize(
    ("text", "word"),
    [("CANCELLED by 1000", "CANCELLED"), ("CANCELLED+", "CANCELLED"), ("NODE_FAIL", "NODE_FAIL")],
)
def test_a_state_is_its_first_word(text: str, word: str) -> None:
    assert read_state(text) == word


def test_an_unknown_state_is_kept_and_its_phase_is_unknown() -> None:
    (state,) = parse_squeue("7|TELEPORTED|None|n1|N/A|N/A\n")
    assert (state.state, state.phase, state.end_reason) == ("TELEPORTED", "unknown", "")


@pytest.mark.parametrize(
    ("text", "read"),
    [("0:0", (0, None)), ("3:0", (3, None)), ("0:9", (None, 9)), ("", (None, None))],
)
def test_an_exit_code_beside_a_signal_is_none(
    text: str, read: tuple[int | None, int | None]
) -> None:
    assert read_exit(text) == read


@pytest.mark.parametrize(("text", "job_id"), [("57\n", "57"), ("sbatch: notice\n57;c1\n", "57")])
def test_the_job_id_is_found(text: str, job_id: str) -> None:
    assert parse_job_id(text) == job_id


def test_no_job_id_is_an_error() -> None:
    with pytest.raises(SchedulerError, match="printed no job id"):
        parse_job_id("Submitted, thank you\n")


def test_hosts_and_elements_are_expanded() -> None:
    assert expand_hosts("n[1-3,10],login") == ("login", "n1", "n2", "n3", "n10")
    assert expand_hosts("None assigned") == ()
    assert expand_job("57_[0-4:2,9%3]") == ("57_0", "57_2", "57_4", "57_9")
    assert expand_job("57_[0-3,...]") == ("57_[0-3,...]",)
    assert base_id("57_[0-3]") == base_id("57_1") == base_id("57") == "57"


@given(st.text(alphabet="0123456789|_[]-,%=: \nRUNGJobIdabc.+"))
def test_parsers_accept_any_text(text: str) -> None:
    parse_squeue(text)
    parse_sacct(text)
    parse_jobs(text)
    parse_nodes(text)
    parse_sinfo(text)
