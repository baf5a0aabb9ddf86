"""The ends of a worker: warned with all its tasks, out of time, killed, or without a head."""

import signal
import time
from pathlib import Path

from hpckit.common.processes import descendants_of, send
from hpckit.engines.base import Lost, Returned
from hpckit.engines.pool.head import PoolEngine
from hpckit.model.task import TaskSettings
from hpckit.protocol.bundle import Bundle
from hpckit.protocol.result import BundleResult
from hpckit.protocol.runner_client import send_bundle
from tests.engines.harness import Head, a_head, command


class NoEngine(PoolEngine):
    """An engine without an agent: workers are added by hand and asked directly."""

    def start(self) -> dict[str, object]:
        return {}


def socket_of(head: Head, node: str = "n1") -> str:
    """Return where a worker's runner listens, as it says in its log."""
    head.worker_server.wait_for("joined")
    log = (head.run_dir.logs / "worker-200.out").read_text()
    return log.partition("runner at ")[2].split()[0]


def bundle(root: Path, *tasks: object, expected_s: float = 0) -> bytes:
    settings = TaskSettings(run="test-run", cwd=str(root))
    made = Bundle(
        id="1-1", task_settings=settings, tasks=tasks, attempts=(1,) * len(tasks),  # type: ignore[arg-type]
        expected_s=expected_s,
    )  # fmt: skip
    return made.to_json().encode()


def test_a_preempted_worker_loses_the_running_task_and_nothing_else(tmp_path: Path) -> None:
    """Slurm signals every process of the step at once: worker, task and all."""
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        agent = head.worker_server.wait_for("joined")[0]["joined"]
        note = tmp_path / "note"
        head.submit(
            command(0, "true"),
            command(1, "sh", "-c", f"touch '{note}'; sleep 60"),
            command(2, "true"),
        )
        head.poll_until(note.exists, "the task runs")
        send((*reversed(descendants_of(agent["pid"])), agent["pid"]), signal.SIGTERM)
        event = head.collect(1)[0]
        assert isinstance(event, Returned)
        assert [(r.index, r.kind) for r in event.result.results] == [(0, "ok"), (1, "lost")]
        assert event.result.not_run == (2,)
        spool = head.spooled(agent["name"])
    assert [r["result"]["index"] for r in spool if "result" in r] == [0]


def test_a_task_that_survives_the_warning_may_finish(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        agent = head.worker_server.wait_for("joined")[0]["joined"]
        note = tmp_path / "note"
        script = f"trap '' TERM; touch '{note}'; sleep 1; sleep 1; echo done"
        head.submit(command(0, "sh", "-c", script), command(1, "true"))
        head.poll_until(note.exists, "the task runs")
        send((agent["pid"], *descendants_of(agent["pid"])), signal.SIGTERM)
        event = head.collect(1)[0]
        assert isinstance(event, Returned)
        assert [(r.kind, r.stdout) for r in event.result.results] == [("ok", "done\n")]
        assert event.result.not_run == (1,)


def test_a_worker_short_of_time_refuses_and_leaves_before_its_end(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "pool", NoEngine) as head:
        ends = int(time.time()) + 14
        worker = head.add_worker("n1", SLURM_JOB_END_TIME=str(ends))
        path = socket_of(head)
        root = head.run_dir.root
        refused = send_bundle(path, bundle(root, command(0, "true"), expected_s=60))
        answer = BundleResult.from_json(refused)
        assert answer.results == ()
        assert answer.not_run == (0,)
        assert "s left of the walltime" in answer.reason
        taken = BundleResult.from_json(send_bundle(path, bundle(root, command(0, "true"))))
        assert taken.results[0].ok
        assert head.worker_server.wait_for("left")[0]["left"] == "the walltime is over"
        assert worker.wait(10) == 0
        assert time.time() < ends


def test_the_head_may_send_a_worker_home(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "pool", NoEngine) as head:
        worker = head.add_worker("n1")
        head.worker_server.wait_for("joined")
        head.worker_server.tell({"stop": "fewer workers are needed"})
        left = head.worker_server.wait_for("left")[0]["left"]
        assert left == "the head says: fewer workers are needed"
        assert worker.wait(10) == 0
        assert f"left: {left}" in head.logs()


def test_a_head_that_falls_silent_counts_as_gone(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "pool", NoEngine) as head:
        head.worker_server.answers_beats = False
        worker = head.add_worker("n1", silence_s=3)
        head.worker_server.wait_for("gone")
        assert worker.poll() is None
        assert "no word from the head for 3 s" in head.logs()
        head.worker_server.answers_beats = True
        head.worker_server.wait_for("joined", 2)  # a network that was cut for a while


def test_nothing_is_left_of_a_worker_that_was_told_to_stop(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "pool", PoolEngine, node_tmp=str(tmp_path)) as head:
        agent = head.worker_server.wait_for("joined")[0]["joined"]
        note = tmp_path / "note"
        script = f"setsid sleep 60 & (setsid sleep 60 &) ; touch '{note}'; sleep 60"
        lost = head.submit(command(0, "sh", "-c", script))
        head.poll_until(note.exists, "the task runs")
        family = [agent["pid"], *descendants_of(agent["pid"])]
        assert len(family) >= 5
        head.worker_server.tell({"stop": "the run is cancelled"})
        head.worker_server.wait_for("left")
        head.poll_until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in family[1:]), "all ended", 10
        )
        assert isinstance(head.collect(1)[0], Returned | Lost), lost
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("hpckit-")] == []
