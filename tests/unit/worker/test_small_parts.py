"""The node's small parts, each by itself."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpckit.common.scratch_dir import PREFIX, ScratchDir, remove_old_scratch_dirs
from hpckit.common.slurm_env import began_at, ends_at, job_id, worker_name
from hpckit.engines.ray.worker import port_arguments
from hpckit.engines.registry import VARIABLES
from hpckit.engines.workqueue.worker import find_worker
from hpckit.errors import EngineError
from hpckit.model.task import Task, TaskSettings
from hpckit.protocol.result import TaskResult
from hpckit.run.node_address import (
    candidate_addresses,
    interface_address,
    is_loopback,
    outward_address,
)
from hpckit.run.spool import SpoolWriter
from hpckit.worker.cancellation import SlurmWarning
from hpckit.worker.task.capture import Capture, last_object
from hpckit.worker.task.classify_exit import OomKills, ProcessEnd, classify
from hpckit.worker.task.environment import SlotResources, prepare, public_environment, visible_gpus
from hpckit.worker.time_left import TimeLeft
from tests.engines.harness import make_plan

AROUND = TaskSettings(run="r", memory_mib=100, timeout_s=9)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"SLURM_JOB_ID": "57", "SLURMD_NODENAME": "n3"}, "57-n3"),
        (
            {"SLURM_JOB_ID": "60", "SLURM_ARRAY_JOB_ID": "57", "SLURM_ARRAY_TASK_ID": "3",
             "SLURM_RESTART_COUNT": "2", "SLURMD_NODENAME": "n3"},
            "57_3r2-n3",
        ),
        ({"SLURM_JOB_ID": "57", "SLURMD_NODENAME": "n3", "HPCKIT_WORKER_AGAIN": "2"}, "57k2-n3"),
        ({"SLURMD_NODENAME": "n3", "SLURM_RESTART_COUNT": "0"}, "pid9-n3"),
    ],
)  # fmt: skip
def test_a_workers_name_says_which_job_which_start_and_which_node(
    env: dict[str, str], name: str
) -> None:
    assert worker_name(env, 9) == name
    assert job_id(env) == re.split("[rk-]", name)[0].replace("pid9", "")


def test_the_end_is_taken_from_slurm_where_it_says_it() -> None:
    assert ends_at({"SLURM_JOB_END_TIME": "500"}, 60, 100.0) == 500
    assert ends_at({"SLURM_JOB_START_TIME": "90"}, 60, 100.0) == 150
    assert ends_at({}, 60, 100.0) == 160
    assert ends_at({}, 0, 100.0) == 0


def test_work_that_does_not_fit_into_the_time_left_is_refused_in_words() -> None:
    life = TimeLeft(time.time() + 40)
    assert life.refusal(10) == ""
    assert life.refusal(35) in ("40 s left of the walltime", "39 s left of the walltime")
    life.drain("preempted")
    assert life.refusal(0) == "preempted"
    assert TimeLeft(0).refusal(10**9) == ""


def test_a_bundle_sent_before_anything_was_measured_is_judged_by_the_tasks_here() -> None:
    life = TimeLeft(time.time() + 40)
    assert life.refusal(0, tasks=2) == ""
    life.observe(20.0)
    assert life.refusal(0, tasks=1) == ""
    assert "s left of the walltime" in life.refusal(0, tasks=2)
    for _ in range(20):
        life.observe(1.0)
    assert life.refusal(0, tasks=2) == ""


def time_left(walltime_s: float, left_s: float, warning_s: int = 120) -> tuple[TimeLeft, float]:
    """A job that has so long left, and when it began."""
    began_at = time.time() + left_s - walltime_s
    return TimeLeft(began_at + walltime_s, began_at, warning_s), began_at


def test_a_task_that_had_all_of_a_job_s_time_would_never_be_done() -> None:
    life, began_at = time_left(3600, 30)
    found = life.too_short(began_at + 20, 3550)
    assert found.startswith("not done after 59m 10s, all that a walltime of 1h 00m leaves; ")
    assert life.too_short(began_at + 170, 3400)
    assert life.too_short(began_at + 600, 2970) == "", "it may begin sooner next time"
    assert life.too_short(began_at + 20, 100) == "", "something else has ended it"
    life.dismissed = True
    assert life.too_short(began_at + 20, 3550) == "", "the run was cancelled"


@pytest.mark.parametrize(
    ("walltime_s", "left_s"), [(3600, 1200), (3600, 220), (600, 205), (360, 175), (300, 140)]
)
def test_a_task_that_something_else_has_ended_is_not_too_long_for_its_worker(
    walltime_s: float, left_s: float
) -> None:
    life, began_at = time_left(walltime_s, left_s, warning_s=min(120, int(walltime_s) // 4))
    assert life.too_short(began_at + 5, walltime_s - left_s - 5) == ""


def test_where_a_job_s_beginning_or_end_is_not_known_no_task_is_too_long_for_it() -> None:
    now = time.time()
    assert TimeLeft(0, now - 3600, 120).too_short(now - 3590, 3590) == ""
    assert TimeLeft(now + 30).too_short(now - 3590, 3590) == ""


def test_a_job_s_beginning_is_taken_from_slurm_where_it_says_it() -> None:
    assert began_at({"SLURM_JOB_START_TIME": "90"}, 100.0) == 90
    assert began_at({}, 100.0) == 100
    assert began_at({"SLURM_JOB_START_TIME": "0"}, 100.0) == 100


def test_gigabytes_of_output_are_kept_as_head_and_tail_with_what_was_dropped() -> None:
    capture = Capture(10, 20)
    capture.feed(b"beginning " + b"x" * 5)
    for _ in range(2000):
        capture.feed(b"y" * 1000)
    capture.feed(b"the very end of it\n")
    text = capture.text()
    assert text.startswith("beginning \n[... ")
    assert f"[... {5 + 2_000_000 + 19 - 20} bytes dropped ...]" in text
    assert text.endswith("ythe very end of it\n")
    assert len(text) < 100


def test_short_output_is_kept_whole_and_broken_text_is_no_error() -> None:
    capture = Capture(4, 4)
    capture.feed("aé".encode() + b"\xff" + b"bcd")
    assert capture.text() == "aé\ufffdbcd"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('noise\n{"a": 1}\n\n', {"a": 1}),
        ('{"a": 1}\nnoise', None),
        ("[1]", None),
        ("{no}", None),
        ("", None),
    ],
)
def test_a_json_object_on_the_last_line_is_the_tasks_value(text: str, found: object) -> None:
    assert last_object(text) == found


def ending(**changes: object) -> ProcessEnd:
    values = {"cancellation": "", "exit_code": None, "signal": None, "started_at": 100.0,
              "wall_s": 10.0, "stderr": ""}  # fmt: skip
    return ProcessEnd(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"exit_code": 0}, "ok"),
        ({"exit_code": 3}, "error"),
        ({"signal": 11}, "signal"),
        ({"cancellation": "timeout", "signal": 15}, "timeout"),
        ({"cancellation": "memory", "signal": 9}, "memory"),
        ({"cancellation": "its engine gave it up", "signal": 15}, "lost"),
        ({"exit_code": 1, "stderr": "Traceback\nMemoryError\n"}, "memory"),
        ({"signal": 6, "stderr": "  what():  std::bad_alloc\n"}, "signal"),
        ({"exit_code": 1, "stderr": "terminate after 'std::bad_alloc'"}, "memory"),
    ],
)
def test_kinds_of_ending(changes: dict[str, object], kind: str) -> None:
    task = Task(index=0, key="k", argv=("x",))
    assert classify(task, AROUND, ending(**changes), SlurmWarning(), OomKills())[0] == kind


@pytest.mark.parametrize(
    ("warned_at", "changes", "kind"),
    [
        (109.0, {"signal": 15}, "lost"),
        (113.0, {"signal": 15}, "lost"),  # the task was quicker than the worker
        (109.0, {"exit_code": 143}, "lost"),
        (105.0, {"exit_code": 1}, "lost"),  # it caught the signal
        (109.0, {"exit_code": 0}, "ok"),
        (50.0, {"signal": 15}, "signal"),
        (50.0, {"exit_code": 1}, "error"),
    ],
)
def test_a_task_ended_around_its_workers_warning_is_lost(
    warned_at: float, changes: dict[str, object], kind: str
) -> None:
    warning = SlurmWarning()
    warning.at, warning.signal = warned_at, 15
    task = Task(index=0, key="k", argv=("x",))
    assert classify(task, AROUND, ending(**changes), warning, OomKills())[0] == kind


def test_a_tasks_surroundings_hold_what_is_promised_and_nothing_secret(tmp_path: Path) -> None:
    private = {f"{prefix}X": "secret" for prefix in ("RAY_", "WORK_QUEUE_", "HPCKIT_", *VARIABLES)}
    env = {"PATH": "/bin", "SLURM_JOB_ID": "5", "CUDA_VISIBLE_DEVICES": "4,5,6,7", **private}
    base = public_environment(env)
    slot = SlotResources(1, tmp_path, base, visible_gpus(base, 4))
    settings = TaskSettings(run="r", cores=3, gpus=2, path=("/a b", "/c"), env={"X": "é"}, cwd="")
    task = Task(index=7, key="k", argv=("x",), outputs=(str(tmp_path / "deep" / "out"),))
    context = prepare(task, 2, settings, slot, token="t")
    for name, value in {
        "HPCKIT_RUN": "r", "HPCKIT_TASK_INDEX": "7", "HPCKIT_ATTEMPT": "2", "X": "é",
        "OMP_NUM_THREADS": "3", "PATH": "/a b:/c:/bin", "CUDA_VISIBLE_DEVICES": "6,7",
        "SLURM_JOB_ID": "5",
    }.items():  # fmt: skip
        assert context.env[name] == value
    assert not private.keys() & context.env.keys()
    assert Path(context.cwd).is_dir()
    assert Path(context.env["TMPDIR"]).is_dir()
    assert (tmp_path / "deep").is_dir()
    Path(context.cwd, "left").write_text("behind")
    context.remove()
    assert not Path(context.cwd).exists()
    again = prepare(task, 3, settings, slot, token="t")
    assert list(Path(again.cwd).iterdir()) == list(Path(again.env["TMPDIR"]).iterdir()) == []


def test_each_finished_task_is_one_whole_line_of_the_spool(tmp_path: Path) -> None:
    spool = SpoolWriter(tmp_path / "spool" / "w.jsonl")
    spool.started("1-1")
    spool.finished("1-1", TaskResult(index=3, attempt=1, kind="ok", stdout="a\nb"))
    spool.handed_back("1-1", [4], "12 s left of the walltime")
    spool.close()
    lines = [json.loads(line) for line in spool.path.read_text().splitlines()]
    assert [sorted(line) for line in lines] == [
        ["bundle", "started"], ["bundle", "result"], ["bundle", "not_run", "reason"],
    ]  # fmt: skip
    assert TaskResult(**lines[1]["result"]).stdout == "a\nb"


def test_a_spool_that_cannot_be_written_is_said_and_stops_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    spool = SpoolWriter(tmp_path / "file" / "spool" / "w.jsonl")
    spool.started("1-1")
    spool.started("1-2")
    assert capfd.readouterr().out.count("cannot write the spool") == 1


def test_directories_of_ended_workers_are_swept_and_those_of_living_ones_are_not(
    tmp_path: Path,
) -> None:
    living = ScratchDir(str(tmp_path))
    left = tmp_path / f"{PREFIX}abcd_123"
    others = [tmp_path / name for name in ("somebody else's", "hpckit-data", f"{PREFIX}of mine")]
    for path in (left, *others):
        path.mkdir()
    for path in (left, *others, living.path):
        os.utime(path, (1, 1))
    remove_old_scratch_dirs(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted([living.path, *others])
    assert oct(living.path.stat().st_mode)[-3:] == "700"
    living.remove()
    assert not living.path.exists()


def test_a_young_directory_is_let_be_only_while_it_is_empty_and_may_be_in_the_making(
    tmp_path: Path,
) -> None:
    making, killed = (tmp_path / f"{PREFIX}{name}" for name in ("making12", "killed12"))
    making.mkdir()
    (killed / "tasks").mkdir(parents=True)
    remove_old_scratch_dirs(str(tmp_path))
    assert list(tmp_path.iterdir()) == [making]


def test_a_node_of_a_real_cluster_offers_no_loopback_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if not outward_address():
        pytest.skip("needs a route outwards, or any address but loopback")
    found = candidate_addresses(make_plan(tmp_path, "pool", scheduler="slurm"))
    assert found
    assert not any(is_loopback(address) for address in found)


def test_an_emulated_node_is_reached_at_what_its_name_resolves_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURMD_NODENAME", "127.0.3.4")  # resolves to itself
    assert candidate_addresses(make_plan(tmp_path, "pool")) == ["127.0.3.4"]


def test_an_interface_that_is_not_there_is_told_with_those_that_are() -> None:
    assert interface_address("lo") == "127.0.0.1"
    with pytest.raises(EngineError, match=r"'ib99' has no IPv4 address here .*interfaces: .*lo"):
        interface_address("ib99")


def test_a_prefix_without_the_worker_is_an_error_that_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="conda-forge"):
        find_worker({"HPCKIT_WORK_QUEUE_PREFIX": str(tmp_path)})
    with pytest.raises(EngineError, match="apt install"):
        find_worker({"PATH": str(tmp_path)})


def test_rays_ports_stay_in_the_sites_range_and_its_workers_apart_from_its_services() -> None:
    options = dict(
        o.removeprefix("--").split("=") for o in port_arguments((41000, 41099), gcs=True)
    )
    workers = range(int(options.pop("min-worker-port")), int(options.pop("max-worker-port")) + 1)
    services = {int(port) for port in options.values()}
    assert (workers.start, workers.stop) == (41025, 41100)
    assert services <= set(range(41000, 41025))
    assert len(services) == len(options) == 7
    assert port_arguments((0, 0)) == []
    with pytest.raises(EngineError, match=r"Ray needs 40 ports or more.*41000-41010 has 11"):
        port_arguments((41000, 41010))


ROOT = Path(__file__).parents[3]


def test_the_node_side_needs_the_standard_library_alone() -> None:
    files = [
        p
        for name in ("worker", "protocol", "common")
        for p in (ROOT / "hpckit" / name).rglob("*.py")
    ]
    modules = [
        ".".join(p.relative_to(ROOT).with_suffix("").parts)
        for p in sorted(files)
        if p.stem != "__main__"
    ]
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"for name in {modules!r}: __import__(name)\n"
        "own = {n.partition('.')[0] for n in sys.modules} - {'hpckit', '__main__'}\n"
        "print(sorted(own - set(sys.stdlib_module_names)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def run_client(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    client = ROOT / "hpckit" / "protocol" / "runner_client.py"
    return subprocess.run(
        [sys.executable, "-S", "-E", str(client), *arguments],
        capture_output=True, text=True, check=False, env=env,
    )  # fmt: skip


def test_the_tiny_client_tells_that_there_is_no_runner(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.write_text("{}")
    assert run_client(str(bundle)).returncode == 2
    done = run_client(str(bundle), str(tmp_path / "out"))
    assert (done.returncode, "HPCKIT_RUNNER is not set" in done.stderr) == (3, True)
    gone = str(tmp_path / "gone.sock")
    done = run_client(str(bundle), str(tmp_path / "out"), HPCKIT_RUNNER=gone)
    assert done.returncode == 3
    assert done.stderr == f"no hpckit runner at {gone}: No such file or directory\n"
