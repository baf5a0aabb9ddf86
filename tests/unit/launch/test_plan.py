from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpckit.errors import InputError
from hpckit.launch.jobs import array_slices
from hpckit.launch.plan import make_plan
from hpckit.launch.site_check import check_site
from hpckit.model.plan import Plan
from hpckit.model.site import Site
from hpckit.model.site_files import load_site
from tests.golden.cases import request, sea_ice


def plan(site: str | Site = "local", **changes: Any) -> Plan:
    tables = changes.pop("tables", {})
    resolved = load_site(site).site if isinstance(site, str) else site
    return make_plan(sea_ice(**tables), resolved, request(**changes))


def a_site(**tables: Any) -> Site:
    return Site.model_validate({"name": "here"} | tables)


def directives(found: Plan, role: str) -> dict[str, str]:
    (job,) = (job for job in found.jobs if job.role == role)
    return {key: value for key, _, value in (line.partition("=") for line in job.directives)}


def task(**resources: Any) -> dict[str, Any]:
    return {"task": {"command": ["true"], "resources": resources}}


# -- engine and shape ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "shape", "roles"),
    [
        ("workqueue", "array", ["head", "workers"]),
        ("ray", "allocation", ["allocation"]),
        ("pool", "allocation", ["head"]),
    ],
)
def test_each_engine_has_its_shape(backend: str, shape: str, roles: list[str]) -> None:
    found = plan(backend=backend)
    assert found.shape == shape
    assert [job.role for job in found.jobs] == roles


def test_the_engine_that_was_chosen_is_told() -> None:
    found = plan(backends=("ray", "pool"))
    assert found.backend == "ray"
    assert "backend: ray (also installed: pool)" in found.notes


def test_the_pool_works_on_one_node_and_says_so() -> None:
    found = plan(backend="pool")
    assert found.workers == 1
    assert "workers: 1, not 4; the pool works on one node" in found.notes


def test_the_pool_has_no_array() -> None:
    with pytest.raises(InputError, match="has no array of workers"):
        plan(backend="pool", shape="array")


# -- sizes ---------------------------------------------------------------------------------


def test_what_the_bag_would_like_is_cut_to_what_the_site_has() -> None:
    found = plan(backend="workqueue")
    assert found.worker.cores == 2
    assert "cores per worker: 2, not 8; partition 'main' has no more" in found.notes


def test_the_array_leaves_the_head_its_room_on_the_emulated_nodes() -> None:
    found = plan(backend="workqueue")
    assert (found.head.cores, found.head.memory_mib) == (1, 1500)
    assert found.workers == 3
    assert any(note.startswith("workers: 3, not 4") for note in found.notes)


def test_one_emulated_node_holds_head_and_worker() -> None:
    site = load_site("local").site
    alone = site.model_copy(update={"emulated": site.emulated.model_copy(update={"nodes": 1})})
    found = plan(alone, backend="workqueue")
    assert (found.workers, found.worker.cores) == (1, 1)


def test_a_task_that_no_node_holds_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        plan(tables=task(cores=3))
    assert str(caught.value) == (
        "one task needs 3 cores, but a node of partition 'main' of site 'local' has 2 for it\n"
        "Ask for less in [task.resources], or choose another --site."
    )


def test_what_the_engine_takes_counts_when_a_task_is_fitted() -> None:
    with pytest.raises(InputError, match=r"4699 MiB of memory \(with what ray takes\)"):
        plan(tables=task(memory=3999), backend="ray", shape="array")


def test_gpus_that_the_partition_lacks_are_an_error() -> None:
    with pytest.raises(InputError, match=r"one task needs 1 GPUs, but .* has 0"):
        plan(tables=task(gpus=1))


def test_gpus_are_asked_for_as_many_tasks_as_run_at_a_time() -> None:
    site = a_site(partitions={"gpu": {"cores": 16, "memory": "64G", "gpus": 4}}, run_root="/s")
    found = plan(site, tables=task(cores=2, gpus=1), backend="ray", cores=16)
    assert found.worker.gpus == 4
    assert directives(found, "allocation")["--gres"] == "gpu:4"


def test_a_worker_has_memory_for_all_tasks_that_run_on_it_at_a_time() -> None:
    found = plan("slurm", backend="workqueue", cores=8)
    assert found.worker.memory_mib == 8 * 477  # 500 MB is 477 MiB, rounded up
    assert directives(found, "workers")["--mem"] == f"{8 * 477 + 150 + 8 * 50}M"


def test_a_worker_has_memory_for_a_task_that_is_tried_again_with_more() -> None:
    tables = task(memory=1000) | {"retries": {"memory": {"times": 1, "grow": 3.0}}}
    found = plan("slurm", tables=tables, backend="workqueue", cores=1)
    assert found.worker.memory_mib == 3000


def test_more_workers_than_tasks_are_not_asked_for() -> None:
    found = plan("slurm", tasks=9, backend="workqueue")
    assert found.workers == 2
    assert "workers: 2, not 4; more would find no task" in found.notes


def test_a_flag_is_taken_as_it_is() -> None:
    found = plan("slurm", tasks=9, backend="workqueue", nodes=7, cores=3, walltime_s=601)
    assert (found.workers, found.worker.cores, found.worker.walltime_s) == (7, 3, 660)


def test_a_site_that_rejects_mem_gets_none() -> None:
    found = plan("perlmutter", backend="workqueue")
    for job in found.jobs:
        assert not any(line.startswith("--mem") for line in job.directives)
        assert "--hint=nomultithread" in job.directives


def test_a_site_may_add_what_it_needs_but_not_what_the_run_hangs_on() -> None:
    good = a_site(directives={"add": ["--mem=0", "--gres=gpu:a100:1", "--export=NONE"]})
    assert "--mem=0" in plan(good, backend="workqueue").jobs[1].directives
    with pytest.raises(InputError, match="'--time=8:00:00', but hpckit sets --time itself"):
        plan(a_site(directives={"add": ["--exclusive", "--time=8:00:00"]}))


def test_the_walltime_is_cut_to_whole_minutes_within_the_limit() -> None:
    site = a_site(partitions={"short": {"max_walltime": "150s"}}, run_root="/scratch")
    found = plan(site, backend="workqueue")
    assert directives(found, "head")["--time"] == "00:02:00"
    assert "walltime: 2m 00s, not 1h 00m; partition 'short' allows no more" in found.notes
    assert directives(found, "head")["--signal"] == "B:USR2@30"


def test_an_empty_bag_is_an_error() -> None:
    with pytest.raises(InputError, match="has no tasks"):
        plan(tasks=0)


def test_more_tasks_than_a_run_can_keep_account_of_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="has 3,000,000,000 tasks, more than the 100,000,000"):
        plan(tasks=3_000_000_000)


def test_a_share_of_failures_that_cannot_be_reached_is_refused() -> None:
    with pytest.raises(InputError, match="'200%' can never be reached"):
        plan(max_failures="200%")
    assert plan(tasks=50, max_failures="100%").max_failures == 50


wishes = st.one_of(st.none(), st.integers(1, 300))


@settings(max_examples=500)
@given(
    cores=st.integers(1, 256),
    memory=st.one_of(st.integers(200, 20_000), st.integers(20_000, 600_000)),
    longest=st.integers(1, 400_000),
    task_cores=st.integers(1, 16),
    task_memory=st.one_of(st.none(), st.integers(1, 20_000)),
    backend=st.sampled_from(["ray", "workqueue"]),
    shape=st.sampled_from(["array", "allocation"]),
    asked=st.tuples(wishes, wishes, st.one_of(st.none(), st.integers(1, 10**6)), wishes),
    tasks=st.integers(1, 10**6),
)
def test_a_plan_never_asks_for_nothing_nor_for_more_than_there_is(  # noqa: PLR0917
    cores: int,
    memory: int,
    longest: int,
    task_cores: int,
    task_memory: int | None,
    backend: str,
    shape: str,
    asked: tuple[int | None, int | None, int | None, int | None],
    tasks: int,
) -> None:
    entry = {"cores": cores, "memory": memory, "max_walltime": longest, "max_nodes": 20}
    site = a_site(partitions={"p": entry}, run_root="/scratch")
    resources: dict[str, Any] = {"cores": task_cores}
    if task_memory:
        resources["memory"] = task_memory
    nodes, per_node, memory_mib, walltime_s = asked
    flags = {"nodes": nodes, "cores": per_node, "memory_mib": memory_mib}
    tables = task(**resources) | {"workers": {}}
    try:
        found = plan(
            site, tables=tables, backend=backend, shape=shape, tasks=tasks, **flags,
            walltime_s=walltime_s,
        )  # fmt: skip
    except InputError as error:
        assert "one task needs" in str(error)
        return
    worker, role = found.worker, "workers" if shape == "array" else "allocation"
    lines = directives(found, role)
    assert task_cores <= worker.cores <= cores
    assert (task_memory or 1) <= worker.memory_mib < int(lines["--mem"][:-1]) <= memory
    assert int(lines["--cpus-per-task"]) == worker.cores
    assert 60 <= worker.walltime_s <= max(60, longest)
    assert worker.walltime_s % 60 == 0
    assert found.workers >= 1
    assert shape == "array" or found.workers <= 20
    assert 1 <= found.warning_s < worker.walltime_s
    assert 1 <= found.head.memory_mib <= memory
    assert Plan.from_json(found.to_json()) == found


# -- how many workers an array has --------------------------------------------------------


def wish(count: int) -> dict[str, Any]:
    return {"workers": {"count": count}}


def of_an_array(**flags: Any) -> tuple[int, int, int, str]:
    found = plan("slurm", backend="workqueue", shape="array", cores=1, **flags)
    array = directives(found, "workers")["--array"]
    return found.workers, found.min_workers, found.max_workers, array


def test_there_are_never_more_workers_than_max_workers() -> None:
    assert of_an_array(max_workers=2) == (2, 1, 2, "0-1")
    assert of_an_array(max_workers=2, tables=wish(8)) == (2, 1, 2, "0-1")
    found = plan("slurm", backend="workqueue", max_workers=2, tables=wish(8))
    assert "workers: 2, not 8; --max-workers is 2" in found.notes


def test_there_are_min_workers_from_the_beginning() -> None:
    assert of_an_array(min_workers=6) == (6, 6, 6, "0-5")
    assert of_an_array(min_workers=6, max_workers=9) == (6, 6, 9, "0-5")
    assert of_an_array(min_workers=6, tasks=3) == (3, 6, 6, "0-2")  # as long as they find tasks
    found = plan("slurm", backend="workqueue", min_workers=6, tables=wish(2))
    assert "workers: 6, not 2; --min-workers is 6" in found.notes


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"nodes": 8, "max_workers": 2}, "--nodes 8 is more than --max-workers 2"),
        ({"nodes": 2, "min_workers": 3}, "--nodes 2 is less than --min-workers 3"),
        ({"min_workers": 4, "max_workers": 3}, "--min-workers 4 is more than --max-workers 3"),
    ],
)
def test_bounds_that_contradict_one_another_are_refused(flags: dict[str, int], words: str) -> None:
    with pytest.raises(InputError, match=f"{words}\nLeave one of them out"):
        plan("slurm", backend="workqueue", **flags)


@pytest.mark.parametrize(
    ("backend", "flags", "found"),
    [
        ("ray", {"min_workers": 5, "max_workers": 9}, "--min-workers 5, --max-workers 9"),
        ("ray", {"max_workers": 9}, "--max-workers 9"),
        ("pool", {"min_workers": 5}, "--min-workers 5"),
    ],
)
def test_what_is_one_job_does_not_grow(backend: str, flags: dict[str, int], found: str) -> None:
    with pytest.raises(InputError, match=f"{found}: only an array of workers grows and shrinks"):
        plan("slurm", backend=backend, **flags)


# -- arrays --------------------------------------------------------------------------------


@given(workers=st.integers(1, 10_000), most=st.integers(1, 1500))
def test_slices_make_all_workers_and_respect_maxarraysize(workers: int, most: int) -> None:
    made = 0
    for text in array_slices(workers, most):
        first, _, last = text.partition("-")
        assert first == "0"
        assert int(last or 0) <= most - 1
        made += int(last or 0) + 1
    assert made == workers


def test_a_user_may_submit_only_so_many_jobs() -> None:
    site = a_site(limits={"max_submitted": 3}, run_root="/scratch")
    found = plan(site, backend="workqueue")
    assert found.workers == 2
    assert any("the head's among them" in note for note in found.notes)


# -- place and directives ------------------------------------------------------------------


def test_an_unknown_partition_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"known: main, spot\. Did you mean 'main'\?"):
        plan(partition="mian")


def test_a_site_that_lists_no_partitions_takes_any() -> None:
    found = plan("slurm", partition="high", backend="workqueue")
    assert directives(found, "head")["--partition"] == "high"


def test_what_a_site_demands_must_be_given() -> None:
    with pytest.raises(InputError, match="demands an account"):
        plan("perlmutter", account="")
    assert plan("perlmutter", account="", sbatch=("--account=m9",)).site == "perlmutter"


def test_the_users_directives_replace_equal_ones_in_their_place() -> None:
    found = plan("slurm", backend="workqueue", sbatch=("--no-requeue", "--mail-type=FAIL"))
    lines = found.jobs[0].directives
    assert "--requeue" not in lines
    assert lines[lines.index("--open-mode=append") - 1] == "--no-requeue"
    assert lines[-1] == "--mail-type=FAIL"


def test_a_directive_of_the_site_replaces_those_that_say_the_same_in_another_way() -> None:
    site = a_site(directives={"add": ["--mem-per-cpu=2G"]}, run_root="/scratch")
    lines = plan(site, backend="workqueue").jobs[0].directives
    assert not any(line.startswith("--mem=") for line in lines)
    assert lines[lines.index("--cpus-per-task=1") + 1] == "--mem-per-cpu=2G"


@pytest.mark.parametrize("line", ["-p high", "--nodes=3", "--array=0-9", "--mail-type=a\nb", "--"])
def test_directives_that_would_break_the_run_are_refused(line: str) -> None:
    with pytest.raises(InputError, match="--sbatch"):
        plan("slurm", sbatch=(line,))


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("--time=10", "--walltime TIME"),
        ("--time-min=10", "--walltime TIME"),
        ("--mem=500M", "--memory SIZE"),
        ("--mem-per-cpu=2G", "--memory SIZE"),
        ("--mem-per-gp=2G", "--memory SIZE"),  # sbatch takes what is cut short, too
        ("--gres=gpu:1", "task.resources.gpus in the bag"),
        ("--gpus=1", "task.resources.gpus in the bag"),
        ("--gpus-per-node=1", "task.resources.gpus in the bag"),
        ("--cpus-per-task=3", "--cores N"),
        ("--clusters=other", "no other"),  # its job ids mean other jobs here
        ("--quiet", "no other"),  # the id would not be printed
    ],
)
def test_a_directive_that_the_plan_would_not_know_of_names_the_flag_to_use(
    line: str, ours: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan("slurm", sbatch=(line,))
    assert str(caught.value).startswith(f"--sbatch {line!r}: hpckit sets --")
    assert f"\nUse {ours}" in str(caught.value)


def test_a_memory_that_grows_beyond_all_numbers_is_a_node() -> None:
    tables = task(memory="100 MB") | {"retries": {"memory": {"times": 2000, "grow": 2.0}}}
    limits = {"default": {"cores": 4, "memory": "8 GB"}}
    site = a_site(partitions=limits, run_root="/scratch")
    assert 0 < plan(site, tables=tables, backend="workqueue").worker.memory_mib < 8000


@pytest.mark.parametrize("text", ["²", "1.", "٣", "-1", "1e3"])
def test_what_is_no_number_of_failures_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--max-failures"):
        plan("slurm", max_failures=text)


@pytest.mark.parametrize("what", ["partition", "constraint", "account", "qos"])
def test_a_site_that_demands_something_can_be_checked(what: str) -> None:
    tables = {"partitions": {"a": {"cores": 4}, "b": {"cores": 8}}} if what == "partition" else {}
    site = a_site(require=[what], run_root="/scratch", **tables)
    assert check_site(site, python="/usr/bin/python3", root="/home/ada")


# -- names and directories -----------------------------------------------------------------


def test_a_run_is_named_after_its_bag_and_the_hour() -> None:
    name = plan(name="", now=1.0e9).run
    assert name.startswith("sea-ice-2001090")
    assert plan(name="", now=1.0e9, taken=frozenset({name})).run == f"{name}-2"


@pytest.mark.parametrize("name", ["a b", "../x", "-x", "é", "a\nb", "x" * 81])
def test_a_name_that_cannot_be_a_directorys_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="run name"):
        plan(name=name)


@pytest.mark.parametrize(
    ("environ", "run_dir"),
    [
        ({"HPCKIT_RUNS": "/scratch/x"}, "/scratch/x/r"),
        ({"HPCKIT_RUNS": "runs"}, "/home/ada/sea ice/runs/r"),
        ({}, "/home/ada/sea ice/hpckit-runs/r"),
    ],
)
def test_runs_are_kept_where_one_says(environ: dict[str, str], run_dir: str) -> None:
    assert plan(environ=environ, name="r").run_dir == run_dir


def test_a_nodes_own_tmp_is_refused_on_real_slurm_only() -> None:
    runs = {"HPCKIT_RUNS": "/tmp/runs"}
    assert plan("local", environ=runs).run_dir.startswith("/tmp/")
    with pytest.raises(InputError, match="/tmp is each node's own"):
        plan("slurm", environ=runs)


@pytest.mark.parametrize("root", ["/scratch/a\nb", "/scratch/a\\b", "/scratch/\x1b[2J"])
def test_a_path_that_sbatch_cannot_be_told_is_refused(root: str) -> None:
    with pytest.raises(InputError, match="which sbatch cannot be told"):
        plan(environ={"HPCKIT_RUNS": root})


# -- workers in a partition of their own ---------------------------------------------------

SPOT = {"batch": {"max_walltime": "30m"}, "spot": {"max_walltime": "6h", "qos": "cheap"}}


def test_workers_may_have_a_partition_of_their_own() -> None:
    site = a_site(partitions=SPOT, run_root="/scratch", default_partition="batch")
    found = plan(site, backend="workqueue", worker_partition="spot", walltime_s=7200, qos="normal")
    head, workers = directives(found, "head"), directives(found, "workers")
    assert (head["--partition"], workers["--partition"]) == ("batch", "spot")
    assert (head["--qos"], workers["--qos"]) == ("normal", "cheap")
    assert (found.head.walltime_s, found.worker.walltime_s) == (1800, 7200)
    assert "head's walltime: 30m 00s, not 2h 00m; partition 'batch' allows no more" in found.notes


def test_a_qos_leads_to_the_queue_that_it_is() -> None:
    found = plan("perlmutter", backend="workqueue", account="m1", qos="debug", walltime_s=36000)
    assert directives(found, "head")["--qos"] == "debug"
    assert directives(found, "head")["--time"] == "00:30:00"


def test_one_job_has_one_partition() -> None:
    site = a_site(partitions=SPOT, run_root="/scratch", default_partition="batch")
    with pytest.raises(InputError, match="in the allocation shape head and workers are one job"):
        plan(site, backend="ray", worker_partition="spot")
