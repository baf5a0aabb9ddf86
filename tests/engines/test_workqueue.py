"""Work Queue: the real manager and real workers on this machine."""

import contextlib
import os
import signal
import stat
from pathlib import Path

import pytest

from hpckit.common.processes import descendants_of, send
from hpckit.engines.base import Lost, Returned
from hpckit.engines.workqueue import binding
from hpckit.engines.workqueue import worker as node_workqueue
from hpckit.engines.workqueue.head import WorkQueueEngine, binding_found
from hpckit.errors import EngineError, HpckitError
from tests.engines.harness import Head, a_head, command


def _usable() -> bool:
    try:
        node_workqueue.find_worker(os.environ)
    except HpckitError:
        return False
    return binding_found()


needs_work_queue = pytest.mark.skipif(
    not _usable(), reason=f"needs Work Queue: {node_workqueue.INSTALL}"
)


def _programs_below(pid: int) -> list[str]:
    return [Path(f"/proc/{child}/comm").read_text().strip() for child in descendants_of(pid)]


def _results(head: Head) -> dict[int, str]:
    returned = [event.result for event in head.events if isinstance(event, Returned)]
    return {result.index: result.kind for bundle in returned for result in bundle.results}


@needs_work_queue
def test_tasks_of_all_kinds_come_back_from_two_workers(tmp_path: Path) -> None:
    with a_head(tmp_path / "a run's dir", "workqueue", WorkQueueEngine) as head:
        workers = [head.add_worker("127.0.1.1"), head.add_worker("127.0.1.2")]
        head.worker_server.wait_for("joined", 2)
        head.submit(command(0, "true"), command(1, "false"), memory_mib=300)
        head.submit(command(2, "sh", "-c", "kill -SEGV $$"), command(3, "sleep", "60"), timeout_s=1)
        for index in range(4, 8):
            head.submit(command(index, "sleep", "0.7"))
        head.collect(6)
        assert all("work_queue_work" in _programs_below(w.pid) for w in workers)
        ran_on = {e.result.worker for e in head.events if isinstance(e, Returned)}
    kinds = _results(head)
    assert [kinds[i] for i in range(8)] == ["ok", "error", "signal", "timeout"] + ["ok"] * 4
    assert len(ran_on) == 2
    for worker in workers:
        assert worker.returncode == 0
    assert "onnection refused" not in head.logs()


@needs_work_queue
def test_a_killed_worker_loses_its_bundle_once_and_it_runs_nowhere_else(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        victim = head.add_worker("127.0.1.1")
        head.worker_server.wait_for("joined")
        note = tmp_path / "starts"
        script = f"echo started >> '{note}'; sleep 60"
        bundle = head.submit(command(0, "true"), command(1, "sh", "-c", script))
        head.poll_until(note.exists, "the task runs")
        other = head.add_worker("127.0.1.2")  # is free to take it
        head.worker_server.wait_for("joined", 2)
        probe = head.submit(command(2, "true"), cores=2)  # more than the first has left
        head.poll_until(lambda: head.events, "the other worker works")
        family = descendants_of(victim.pid)
        send((victim.pid, *family), signal.SIGKILL)  # as a node that goes down
        victim.wait()
        head.collect(2)
        after = head.submit(command(3, "true"))
        head.collect(3)
        assert other.poll() is None
    assert [e.result.bundle for e in head.events if isinstance(e, Returned)] == [probe, after]
    assert head.events[1] == Lost(bundle, "its worker has ended")
    assert note.read_text() == "started\n"
    spool = head.spooled(next(iter(head.workers)))
    assert [r["result"]["index"] for r in spool if "result" in r] == [0]


def _times(head: Head) -> dict[int, tuple[float, float]]:
    """Return when each task started and ended."""
    returned = [event.result for event in head.events if isinstance(event, Returned)]
    tasks = [task for bundle in returned for task in bundle.results]
    return {task.index: (task.started_at, task.started_at + task.wall_s) for task in tasks}


@needs_work_queue
def test_bundles_begin_in_the_order_in_which_they_were_submitted(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        for index in range(5):
            head.submit(command(index, "true"), cores=2)  # one at a time
        head.add_worker("127.0.1.1")
        head.collect(5)
        times = _times(head)
    assert sorted(times, key=times.__getitem__) == [0, 1, 2, 3, 4]


@needs_work_queue
def test_bundles_that_come_one_after_another_begin_without_waiting_for_the_first_to_end(
    tmp_path: Path,
) -> None:
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        head.add_worker("127.0.1.1")
        head.add_worker("127.0.1.2")
        head.worker_server.wait_for("joined", 2)
        head.submit(command(0, "true"))
        head.collect(1)  # it waits for whatever comes
        for index in (1, 2):
            head.submit(command(index, "sleep", "2"), cores=2)
        head.collect(3)
        times = _times(head)
    assert max(times[1][0], times[2][0]) < min(times[1][1], times[2][1])  # both at once


@needs_work_queue
def test_a_cancelled_bundle_is_ended(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        head.add_worker("127.0.1.1")
        out = tmp_path / "pid"
        bundle = head.submit(command(0, "sh", "-c", f"echo $$ > '{out}'; exec sleep 300"))
        head.poll_until(lambda: out.exists() and out.read_text().strip(), "the task runs")
        head.engine.cancel(bundle)
        pid = int(out.read_text())
        head.poll_until(lambda: not Path(f"/proc/{pid}").exists(), "it has been ended")
        assert head.events == []


@needs_work_queue
def test_a_warned_worker_finishes_its_task_hands_the_rest_back_and_leaves(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        worker = head.add_worker("127.0.1.1")
        head.worker_server.wait_for("joined")
        note = tmp_path / "note"
        head.submit(
            command(0, "sh", "-c", f"touch '{note}'; sleep 1.5"),
            command(1, "true"),
            command(2, "true"),
        )
        head.poll_until(note.exists, "the task runs")
        os.kill(worker.pid, signal.SIGTERM)
        event = head.collect(1)[0]
        assert isinstance(event, Returned)
        assert [r.kind for r in event.result.results] == ["ok"]
        assert event.result.not_run == (1, 2)
        assert event.result.reason == "the worker was warned by SIGTERM"
        assert head.worker_server.wait_for("left")[0]["left"] == "warned by SIGTERM"
        assert worker.wait(10) == 0


@needs_work_queue
@pytest.mark.parametrize("holds", [True, False])
def test_a_preempted_workers_task_may_finish_only_if_the_head_waits_for_it(
    tmp_path: Path, holds: bool
) -> None:
    """Slurm's signal ends Work Queue's own processes at once; the task may survive it."""
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        head.worker_server.welcome = {"welcome": 1, "holds_lost": holds}
        worker = head.add_worker("127.0.1.1")
        head.worker_server.wait_for("joined")
        note = tmp_path / "note"
        script = f"trap '' TERM; touch '{note}'; sleep 1; sleep 1; sleep 1; sleep 1"
        bundle = head.submit(command(0, "sh", "-c", script), command(1, "true"))
        head.poll_until(note.exists, "the task runs")
        send((worker.pid, *descendants_of(worker.pid)), signal.SIGTERM)
        assert head.collect(1) == [Lost(bundle, "its worker has ended")]
        head.worker_server.wait_for("draining")
        head.worker_server.wait_for("left")
        assert worker.wait(10) == 0
        spool = head.spooled("200-127.0.1.1")
    assert [r["result"]["kind"] for r in spool if "result" in r] == ["ok"] * holds
    assert [r["not_run"] for r in spool if "not_run" in r] == [[1]]


@needs_work_queue
def test_workers_wait_for_the_next_head_when_one_goes(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        worker = head.add_worker("127.0.1.1")
        head.worker_server.wait_for("joined")
        head.submit(command(0, "sleep", "60"))
        head.worker_server.wait_for("started")
        head.worker_server.close()
        head.engine.stop()
        head.engine = WorkQueueEngine(head.run_dir, head.plan, "127.0.0.1")
        head.begin()
        head.worker_server.wait_for("joined")
        head.submit(command(1, "true"))
        event = head.collect(1)[0]
        assert isinstance(event, Returned)
        assert worker.poll() is None
    assert "waiting for the next one" in head.logs()
    assert worker.returncode == 0


@needs_work_queue
def test_a_bundle_too_long_for_the_time_left_is_refused(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        head.add_worker("127.0.1.1", SLURM_JOB_END_TIME=str(int(os.times().elapsed) + 1))
        # A time long past: the worker leaves at once, and says why.
        assert head.workers["200-127.0.1.1"].wait(20) == 0
        assert "the walltime is over" in head.logs()


@needs_work_queue
def test_the_password_is_private_to_the_run_and_in_no_argument(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        worker = head.add_worker("127.0.1.1")
        head.worker_server.wait_for("joined")
        head.submit(command(0, "env"))
        event = head.collect(1)[0]
        path = head.run_dir.secret("workqueue.password")
        secret = path.read_text()
        family = [*descendants_of(worker.pid), *descendants_of(os.getpid())]
        for pid in family:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
                assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert isinstance(event, Returned)
    seen = event.result.results[0].stdout
    assert "HPCKIT_TASK_INDEX=0" in seen
    assert "WORK_QUEUE_" not in seen
    assert "HPCKIT_RUNNER" not in seen


def test_a_missing_binding_is_told_with_where_was_looked_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPCKIT_WORK_QUEUE_PREFIX", str(tmp_path))
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "work_queue.py").write_text("raise ImportError('built for another Python')")
    with pytest.raises(EngineError) as caught:
        binding.find_binding(os.environ)
    assert str(packages) in str(caught.value)
    assert "conda-forge ndcctools" in str(caught.value)


@needs_work_queue
def test_a_manager_that_slurm_warns_goes_on_until_the_head_ends_it(tmp_path: Path) -> None:
    """Where Slurm signals all of a job, it hears TERM before the head has looked."""
    with a_head(tmp_path / "run", "workqueue", WorkQueueEngine) as head:
        (manager,) = [p for p in descendants_of(os.getpid()) if "workqueue/manager.py" in _words(p)]
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            send([manager], number)
        head.add_worker("127.0.1.1")
        head.submit(command(0, "true"))
        head.collect(1)
        assert _results(head) == {0: "ok"}
        head.engine.stop()
        assert not Path(f"/proc/{manager}").exists()


def _words(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""
