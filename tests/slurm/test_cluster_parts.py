"""The parts of the test cluster that need no root: its files, ports and processes."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.slurm.cluster import config
from tests.slurm.cluster.__main__ import main
from tests.slurm.cluster.claim import claimed, is_used, used
from tests.slurm.cluster.layout import DEFAULT_PREFIX, Layout
from tests.slurm.cluster.shell import ClusterError, run, wait_until
from tests.slurm.cluster.started_processes import Process, StartedProcesses, start_ticks

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def started_processes(tmp_path: Path) -> StartedProcesses:
    return StartedProcesses(tmp_path / "processes.json")


def test_what_was_started_is_found_and_ended(
    started_processes: StartedProcesses, tmp_path: Path
) -> None:
    started = started_processes.start("sleeper", SLEEP, log=tmp_path / "log")
    assert started_processes.find("sleeper") == started
    assert started_processes.end("sleeper")
    assert not started.is_alive()
    assert not started_processes.end("sleeper")


def test_a_later_process_with_a_recorded_pid_is_not_ended() -> None:
    ours = Process("it", os.getpid(), start_ticks(os.getpid()) or 0)
    assert ours.is_alive()
    assert not replace(ours, start_ticks=ours.start_ticks - 1).is_alive()


def test_a_record_from_before_the_last_boot_counts_for_nothing(
    started_processes: StartedProcesses, tmp_path: Path
) -> None:
    started_processes.start("sleeper", SLEEP, log=tmp_path / "log")
    document = json.loads(started_processes.path.read_text())
    started_processes.path.write_text(json.dumps({**document, "boot_id": "another"}))
    assert started_processes.find("sleeper") is None
    started_processes.path.write_text(json.dumps(document))
    assert started_processes.end("sleeper")


def test_what_ignores_sigterm_is_killed(
    started_processes: StartedProcesses, tmp_path: Path
) -> None:
    ignore = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    log = tmp_path / "log"
    started = started_processes.start(
        "deaf", [sys.executable, "-c", f"{ignore}; time.sleep(60)"], log=log
    )
    wait_until("it to be deaf", lambda: log.read_text() != "", timeout_s=20)
    assert started_processes.end("deaf", grace_s=0.1)
    assert not started.is_alive()


def test_two_prefixes_share_no_port_address_interface_or_node_name() -> None:
    one, two = Layout(DEFAULT_PREFIX), Layout(Path("/srv/another"))
    assert one.slot == 0 != two.slot
    assert one.subnet != two.subnet
    assert one.bridge != two.bridge
    assert {n.name for n in one.nodes}.isdisjoint(n.name for n in two.nodes)
    assert {n.netns for n in one.nodes}.isdisjoint(n.netns for n in two.nodes)
    ports = [{c.controller_port, c.node_port, c.database_port} for c in (one, two)]
    assert ports[0].isdisjoint(ports[1])


def test_two_sessions_never_claim_the_same_prefix() -> None:
    with claimed("/srv/shared") as one, claimed("/srv/shared") as two:
        assert (str(one.prefix), str(two.prefix)) == ("/srv/shared", "/srv/shared-2")
    with claimed("/srv/shared") as again:
        assert str(again.prefix) == "/srv/shared"


def test_a_cluster_counts_as_used_until_its_last_session_leaves() -> None:
    layout = Layout(Path("/srv/used by tests"))
    assert not is_used(layout)
    with used(layout):
        with used(layout):
            assert is_used(layout)
        assert is_used(layout)
    assert not is_used(layout)


def test_the_slot_that_was_taken_is_kept(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert layout.slot == layout.preferred_slot
    layout.slot_file.write_text("77")
    assert (layout.slot, layout.bridge) == (77, "hks77")


def test_interface_names_fit_the_kernel() -> None:
    for number in range(50):
        layout = Layout(Path(f"/srv/prefix-{number}"))
        assert all(len(node.uplink) <= 15 for node in layout.nodes)


def test_every_file_of_the_configuration_is_under_the_prefix() -> None:
    layout = Layout(Path("/srv/another"))
    text = config.slurm_conf(layout, memory_enforced=True) + config.slurmdbd_conf(layout)
    values = [word.partition("=")[2] for word in text.split()]
    paths = {value for value in values if value.startswith("/")} - {"/bin/true"}
    assert paths
    assert all(path.startswith("/srv/another/") for path in paths)


def test_an_unknown_node_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="node 'n9' not found; known: n1, n2, n3, n4"):
        Layout(DEFAULT_PREFIX).node("n9")


def test_a_command_that_fails_shows_what_it_said() -> None:
    with pytest.raises(ClusterError, match="exited with 3: no such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_env_without_a_cluster_says_how_to_bring_one_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPCKIT_SLURM_PREFIX", str(tmp_path / "none"))
    assert main(["env"]) == 1
    assert "run `make slurm-up` first" in capsys.readouterr().err
