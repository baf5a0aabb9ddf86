"""Ray: a real head and real nodes, each with an address of its own in 127.0.0.0/8."""

import importlib.util
import os
import signal
from pathlib import Path

import pytest

from hpckit.engines.protocol import Lost, Returned
from hpckit.engines.ray import RayEngine
from hpckit.node.processes import descendants_of
from hpckit.run.rundir import RunDir
from hpckit.spec.plan import Plan
from tests.engines.harness import a_head, command

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'hpckit[ray]'"
)


#: Ray's library remembers the first token that its process has used: one for all tests here.
TOKEN = os.urandom(32).hex()


def make(run_dir: RunDir, plan: Plan) -> RayEngine:
    run_dir.secret("ray.token").write_text(TOKEN)
    return RayEngine(run_dir, plan, "127.0.1.1")


def raylets_below(pid: int) -> int:
    comms = (Path(f"/proc/{child}/comm").read_text().strip() for child in descendants_of(pid))
    return sum(comm == "raylet" for comm in comms)


@needs_ray
def test_ray_runs_bundles_on_two_nodes_and_tells_a_lost_one(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with a_head(tmp_path / "a run's dir", "ray", make) as head:
        assert signal.getsignal(signal.SIGTERM) is handler
        victim, other = head.add_worker("127.0.1.2"), head.add_worker("127.0.1.3")
        head.door.wait_for("joined", 2)
        secret = head.run_dir.secret("ray.token").read_text()
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
        assert raylets_below(victim.pid) == raylets_below(other.pid) == 1
        for pid in (*descendants_of(victim.pid), *descendants_of(os.getpid())):
            assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()

        notes = [tmp_path / "note0", tmp_path / "note1"]
        script = "echo x >> '{}'; sleep 60"
        head.events.clear()
        lost = [
            head.submit(command(10 + i, "sh", "-c", script.format(notes[i])), cores=2)
            for i in range(2)
        ]
        head.poll_until(lambda: all(n.exists() for n in notes), "both nodes are busy")
        for pid in (victim.pid, *descendants_of(victim.pid)):  # as a node that goes down
            os.kill(pid, signal.SIGKILL)
        victim.wait()
        head.collect(1)
        event = head.events[0]
        assert isinstance(event, Lost)
        rest = next(bundle for bundle in lost if bundle != event.bundle)
        head.engine.cancel(rest)
        head.submit(command(20, "true"))
        head.collect(2)
        assert isinstance(head.events[1], Returned)
        assert [note.read_text() for note in notes] == ["x\n", "x\n"]
    assert other.returncode == 0
    assert "onnection refused" not in head.logs()


@needs_ray
def test_a_warned_node_finishes_its_task_hands_the_rest_back_and_leaves(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "ray", make) as head:
        worker = head.add_worker("127.0.1.2")
        head.door.wait_for("joined")
        note = tmp_path / "note"
        head.submit(command(0, "sh", "-c", f"touch '{note}'; sleep 1.5"), command(1, "true"))
        head.poll_until(note.exists, "the task runs")
        os.kill(worker.pid, signal.SIGTERM)
        event = head.collect(1)[0]
        assert isinstance(event, Returned)
        assert [r.kind for r in event.result.results] == ["ok"]
        assert event.result.not_run == (1,)
        assert head.door.wait_for("left")[0]["left"] == "warned by SIGTERM"
        assert worker.wait(15) == 0
