"""The pool: bundles on this machine, through a real agent and its runner."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hpckit.common.processes import descendants_of, is_alive
from hpckit.engines.base import Lost, Returned
from hpckit.engines.pool.head import PoolEngine
from hpckit.model.task import Task, TaskSettings
from hpckit.protocol.bundle import Bundle
from tests.engines.harness import a_head, command


def test_every_kind_of_ending_is_told_apart(tmp_path: Path) -> None:
    root = tmp_path / "a run, with 'quotes' and ünïcode"
    python = sys.executable
    hog = "import time; x = bytearray(400 << 20); time.sleep(30)"
    hang = "setsid sleep 77 & setsid env -i setsid sleep 77 & sleep 77"
    with a_head(root, "pool", PoolEngine) as head:
        head.submit(
            command(0, "echo", "hello"),
            command(1, "sh", "-c", "echo no >&2; exit 7"),
            command(2, "sh", "-c", "kill -SEGV $$"),
            command(3, "/no/such/program"),
            command(4, "true", outputs=(str(root / "deep/er/out"),)),
            command(5, python, "-c", "raise MemoryError"),
            command(6, "sh", "-c", "echo noise; echo '{\"ratio\": 2.5}'"),
        )
        head.submit(command(7, "sh", "-c", hang), timeout_s=1)
        head.submit(command(8, python, "-c", hog), memory_mib=200)
        head.submit(command(9, "true"), cwd="/no/such/directory")
        events = head.collect(4)
    assert all(isinstance(event, Returned) for event in events), events
    results = {r.index: r for e in events if isinstance(e, Returned) for r in e.result.results}
    kinds = [results[i].kind for i in range(10)]
    assert kinds == [
        "ok", "error", "signal", "not_found", "missing_output", "memory", "ok", "timeout",
        "memory", "not_found",
    ]  # fmt: skip
    assert results[0].stdout == "hello\n"
    assert (results[1].exit_code, results[1].stderr) == (7, "no\n")
    assert (results[2].signal, results[2].message) == (11, "ended by SIGSEGV")
    assert "/no/such/program" in results[3].message
    assert (root / "deep/er").is_dir()
    assert results[6].value == {"ratio": 2.5}
    assert results[7].wall_s < 4
    assert "200 MiB" in results[8].message
    assert "/no/such/directory" in results[9].message


def test_an_agent_that_is_killed_loses_its_bundles_once_and_is_started_again(
    tmp_path: Path,
) -> None:
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        client = head.worker_server.wait_for("joined")[0]["joined"]
        lost = head.submit(command(0, "true"), command(1, "sleep", "60"))
        head.poll_until(
            lambda: any("result" in r for r in head.spooled(client["name"])), "the first result"
        )
        os.kill(client["pid"], signal.SIGKILL)
        assert head.collect(1) == [Lost(lost, "the pool's agent has ended")]
        head.submit(command(2, "true"))
        again = head.collect(2)[1]
    assert isinstance(again, Returned)
    assert again.result.results[0].ok
    assert [r["result"]["index"] for r in head.spooled(client["name"]) if "result" in r] == [0]


def test_a_cancelled_bundle_is_ended_and_forgotten(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        out = tmp_path / "pid"
        bundle = head.submit(command(0, "sh", "-c", f"echo $$ > '{out}'; exec sleep 60"))
        head.poll_until(lambda: out.exists() and out.read_text().strip(), "the task runs")
        head.engine.cancel(bundle)
        pid = int(out.read_text())
        head.poll_until(lambda: not Path(f"/proc/{pid}").exists(), "the task has been ended", 10)
        assert head.events == []


@pytest.mark.parametrize("count", [3])
def test_functions_are_called_in_a_warm_interpreter(tmp_path: Path, count: int) -> None:
    (tmp_path / "mytasks.py").write_text(
        "import os, sys, ctypes\n"
        "def add(a, b): print('adding'); return {'sum': a + b, 'pid': os.getpid()}\n"
        "def fail(): raise ValueError('bad field')\n"
        "def leave(): sys.exit(4)\n"
        "def crash(): print('last words', flush=True); ctypes.string_at(0)\n"
        "def hang():\n    while True: pass\n"
        "def grow(): x = bytearray(10**12)\n"
    )

    def call(index: int, name: str, **kwargs: object) -> Task:
        return Task(index=index, key=str(index), function=f"mytasks:{name}", kwargs=kwargs)

    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        settings = {"python_path": (str(tmp_path),), "timeout_s": 2}
        calls = [call(i, "add", a=i, b=1) for i in range(count)]
        calls += [call(10 + i, n) for i, n in enumerate(("fail", "leave", "crash", "hang"))]
        calls += [call(14, "nothing"), call(15, "grow"), call(16, "add", a=1, b=1)]
        head.submit(*calls, **settings)
        head.submit(Task(index=20, key="20", function="no_such_module:f"), **settings)
        events = head.collect(2)
    results = {r.index: r for e in events if isinstance(e, Returned) for r in e.result.results}
    values = [results[i].value or {} for i in range(count)]
    assert [value["sum"] for value in values] == [1, 2, 3]
    assert len({value["pid"] for value in values}) == 1
    assert results[0].stdout == "adding\n"
    kinds = [results[i].kind for i in (10, 11, 12, 13, 14, 15, 16, 20)]
    assert kinds == [
        "error",
        "error",
        "signal",
        "timeout",
        "not_found",
        "memory",
        "ok",
        "not_found",
    ]
    assert "ValueError: bad field" in results[10].stderr
    assert results[11].exit_code == 4
    assert (results[12].signal, results[12].stdout) == (11, "last words\n")


def test_what_a_function_returns_is_its_row(tmp_path: Path) -> None:
    (tmp_path / "mytasks.py").write_text("def give(what): return eval(what)\n")
    given = ["{'a': 1}", "0.5", "[1, 'b']", "True", "None", "object()", "'x' * 10**6", "{'a': {1}}"]
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        tasks = [
            Task(index=i, key=str(i), function="mytasks:give", kwargs={"what": what})
            for i, what in enumerate(given)
        ]
        head.submit(*tasks, python_path=(str(tmp_path),))
        events = head.collect(1)
    results = [r for e in events if isinstance(e, Returned) for r in e.result.results]
    assert [r.value for r in results] == [
        {"a": 1}, {"value": 0.5}, {"value": [1, "b"]}, {"value": True}, None, None, None, None
    ]  # fmt: skip
    assert [r.kind for r in results] == ["ok"] * 7 + ["error"]
    assert "the returned dict is not JSON" in results[7].message


FORKING = """
import os, sys, time
held = bytearray(120 << 20)
for _ in range(4):
    if os.fork() == 0:
        if "write" in sys.argv:
            for at in range(0, len(held), 4096):
                held[at] = 1
        time.sleep(10)
time.sleep(2)
"""


def test_memory_that_a_task_shares_with_its_forks_counts_once(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        head.submit(command(0, sys.executable, "-c", FORKING), memory_mib=300)
        head.submit(command(1, sys.executable, "-c", FORKING, "write"), memory_mib=300)
        events = head.collect(2)
    results = {r.index: r for e in events if isinstance(e, Returned) for r in e.result.results}
    assert [results[i].kind for i in range(2)] == ["ok", "memory"]


def test_every_function_finds_its_own_temporary_directory(tmp_path: Path) -> None:
    (tmp_path / "mytasks.py").write_text(
        "import multiprocessing.util, os, tempfile\n"
        "def leave():\n"
        "    handle, path = tempfile.mkstemp()\n"
        "    places = [os.path.dirname(p) for p in (path, multiprocessing.util.get_temp_dir())]\n"
        "    return {'pid': os.getpid(), 'own': places == [os.environ['TMPDIR']] * 2}\n"
    )
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        tasks = [Task(index=i, key=str(i), function="mytasks:leave") for i in range(2)]
        head.submit(*tasks, python_path=(str(tmp_path),))
        events = head.collect(1)
    results = [r for e in events if isinstance(e, Returned) for r in e.result.results]
    assert [(r.kind, (r.value or {}).get("own")) for r in results] == [("ok", True)] * 2
    assert len({(r.value or {})["pid"] for r in results}) == 1


class EagerPool(PoolEngine):
    """A pool that has a task running before its agent can have joined: no address is there yet."""

    def start(self) -> dict[str, Any]:
        parts = super().start()
        root = self._run_dir.root
        task = command(0, "sh", "-c", "touch note; sleep 60")
        settings = TaskSettings(run="test-run", cwd=str(root))
        self.submit(Bundle(id="1-0", task_settings=settings, tasks=(task,), attempts=(1,)))
        deadline = time.monotonic() + 20
        while not (root / "note").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return parts


def test_the_head_hears_of_bundles_that_began_before_the_agent_had_joined(tmp_path: Path) -> None:
    with a_head(tmp_path / "run", "pool", EagerPool) as head:
        head.worker_server.wait_for("started", limit_s=15)
        head.submit(command(1, "true"))
        assert head.worker_server.wait_for("started", 2) == [{"started": "1-0"}, {"started": "1-1"}]
        head.engine.cancel("1-0")


def test_what_a_killed_agent_has_left_is_gone_before_the_next_ones_tasks_begin(
    tmp_path: Path,
) -> None:
    pids, seen = tmp_path / "old ones", tmp_path / "seen"
    (tmp_path / "mytasks.py").write_text(
        "import os, time\n"
        "def hang(note):\n"
        "    open(note, 'a').write(f'{os.getpid()}\\n')\n"
        "    time.sleep(60)\n"
    )
    note = f'echo $$ >> "{pids}"; '
    hang = f"{note} env -i setsid sh -c '{note} exec sleep 60' & {note} (setsid sleep 60 &) ; wait"
    state = "$(cut -d ' ' -f 3 /proc/$pid/stat 2>/dev/null)"
    alive = f'case "{state}" in Z|X|"") ;; *) echo $pid ;; esac'
    look = f'for pid in $(cat "{pids}"); do {alive}; done > "{seen}"'
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:
        agent = head.worker_server.wait_for("joined")[0]["joined"]
        head.submit(command(0, "sh", "-c", hang))
        call = Task(index=1, key="1", function="mytasks:hang", kwargs={"note": str(pids)})
        head.submit(call, python_path=(str(tmp_path),))
        head.poll_until(lambda: pids.exists() and len(pids.read_text().split()) == 4, "both run")
        family = descendants_of(agent["pid"])
        os.kill(agent["pid"], signal.SIGKILL)
        assert all(isinstance(event, Lost) for event in head.collect(2))
        head.submit(command(2, "sh", "-c", look))
        again = head.collect(3)[2]
    assert isinstance(again, Returned)
    assert (again.result.results[0].kind, seen.read_text()) == ("ok", "")
    assert [pid for pid in family if is_alive(pid)] == []


HOLDING = """
import os, sys, time
mine, other = sys.argv[1:]
for kind in ("began", "runs"):
    open(kind + mine, "w").close()
beside = sorted(name[4:] for name in os.listdir() if name.startswith("runs"))
deadline = time.monotonic() + 20
while other and not os.path.exists("began" + other) and time.monotonic() < deadline:
    time.sleep(0.02)
time.sleep(0.4)
os.unlink("runs" + mine)
print(*beside)
sys.exit(time.monotonic() > deadline)
"""


def test_tasks_that_have_grown_run_side_by_side_only_within_the_jobs_memory(
    tmp_path: Path,
) -> None:
    with a_head(tmp_path / "run", "pool", PoolEngine) as head:  # 2 slots, 2000 MiB
        for index, memory_mib, other in (
            (0, 1200, "1"),
            (1, 800, "0"),
            (2, 1900, ""),
            (3, 5000, ""),
        ):
            task = command(index, sys.executable, "-c", HOLDING, str(index), other)
            head.submit(task, memory_mib=memory_mib)
        events = head.collect(4)
    results = {r.index: r for e in events if isinstance(e, Returned) for r in e.result.results}
    assert [results[index].kind for index in range(4)] == ["ok"] * 4
    assert [results[index].stdout for index in (2, 3)] == ["2\n", "3\n"]
