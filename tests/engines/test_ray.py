"""Ray: a real head and real nodes, each with an address of its own in 127.0.0.0/8."""

import contextlib
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpckit.common.processes import descendants_of, send
from hpckit.engines.base import Lost, Returned
from hpckit.engines.ray.head import RayEngine
from hpckit.model.plan import Plan
from hpckit.run.rundir import RunDir
from tests.engines.harness import Head, a_head, command

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install '.[ray]'"
)


#: Ray's library remembers the first token that its process has used: one for all tests here.
TOKEN = os.urandom(32).hex()


def make(run_dir: RunDir, plan: Plan, host: str) -> RayEngine:
    run_dir.secret("ray.token").write_text(TOKEN)
    return RayEngine(run_dir, plan, host)


def raylets_below(pid: int) -> int:
    comms = (Path(f"/proc/{child}/comm").read_text().strip() for child in descendants_of(pid))
    return sum(comm == "raylet" for comm in comms)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """One Ray for all tests here: it takes a quarter of a minute to come up."""
    handler = signal.getsignal(signal.SIGTERM)
    with a_head(tmp_path_factory.mktemp("ray") / "a run's dir", "ray", make) as head:
        assert signal.getsignal(signal.SIGTERM) is handler
        head.add_worker("127.0.1.2")
        head.add_worker("127.0.1.3")
        head.worker_server.wait_for("joined", 2)
        yield head
    assert "onnection refused" not in head.logs()


@needs_ray
def test_tasks_of_all_kinds_come_back_from_two_nodes(head: Head) -> None:
    head.submit(command(0, "env"), command(1, "false"), memory_mib=300)
    head.submit(command(2, "sh", "-c", "kill -SEGV $$"), command(3, "sleep", "60"), timeout_s=1)
    for index in range(4, 8):
        head.submit(command(index, "sleep", "2"))
    head.collect(6, limit_s=90)
    returned = [e.result for e in head.events if isinstance(e, Returned)]
    results = {r.index: r for bundle in returned for r in bundle.results}
    kinds = [results[i].kind for i in range(8)]
    assert kinds == ["ok", "error", "signal", "timeout", "ok", "ok", "ok", "ok"]
    assert len({bundle.worker for bundle in returned}) == 2
    assert "RAY_" not in results[0].stdout
    assert [raylets_below(worker.pid) for worker in head.workers.values()] == [1, 1]


@needs_ray
def test_the_token_is_in_no_argument_and_no_environment(head: Head) -> None:
    family = [p for w in head.workers.values() for p in descendants_of(w.pid)]
    assert len(family) > 4
    for pid in (*family, *descendants_of(os.getpid())):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            assert TOKEN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
            assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


@needs_ray
def test_a_node_that_goes_down_loses_its_bundle_once_and_it_runs_nowhere_else(
    head: Head, tmp_path: Path
) -> None:
    head.events.clear()
    notes = [tmp_path / "note0", tmp_path / "note1"]
    script = "echo x >> '{}'; sleep 60"
    bundles = [
        head.submit(command(10 + i, "sh", "-c", script.format(notes[i])), cores=2) for i in range(2)
    ]
    head.poll_until(lambda: all(n.exists() for n in notes), "both nodes are busy")
    victim = head.workers["200-127.0.1.2"]
    send((victim.pid, *descendants_of(victim.pid)), signal.SIGKILL)
    victim.wait()
    head.collect(1)
    event = head.events[0]
    assert isinstance(event, Lost)
    head.engine.cancel(next(bundle for bundle in bundles if bundle != event.bundle))
    head.submit(command(20, "true"))
    head.collect(2)
    assert isinstance(head.events[1], Returned)
    assert [note.read_text() for note in notes] == ["x\n", "x\n"]


@needs_ray
def test_a_warned_node_finishes_its_task_hands_the_rest_back_and_leaves(
    head: Head, tmp_path: Path
) -> None:
    head.events.clear()
    worker = head.workers["201-127.0.1.3"]
    note = tmp_path / "note"
    head.submit(command(30, "sh", "-c", f"touch '{note}'; sleep 1.5"), command(31, "true"))
    head.poll_until(note.exists, "the task runs")
    os.kill(worker.pid, signal.SIGTERM)
    event = head.collect(1)[0]
    assert isinstance(event, Returned)
    assert [r.kind for r in event.result.results] == ["ok"]
    assert event.result.not_run == (31,)
    assert head.worker_server.wait_for("left")[0]["left"] == "warned by SIGTERM"
    assert worker.wait(15) == 0
