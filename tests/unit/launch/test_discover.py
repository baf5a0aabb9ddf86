from __future__ import annotations

from pathlib import Path

from hpckit.launch.discover import complete_site, with_partitions
from hpckit.launch.plan import make_plan
from hpckit.model.bag import Resources
from hpckit.model.site import Site
from hpckit.slurm.sinfo import parse_sinfo
from tests.golden.cases import request, sea_ice
from tests.unit.slurm.fake import fake_slurm
from tests.unit.slurm.test_parsers import captured

MIXED = """\
all|all*|up|2-00:00:00|100|64|256000|(null)
all|all*|up|2-00:00:00|4|128|1000000|gpu:a100:4
old|old|down|infinite|9|8|16000|(null)
"""


def plain(**tables: object) -> Site:
    return Site.model_validate({"name": "here", "run_root": "/scratch"} | tables)


def test_a_site_without_partitions_gets_slurms() -> None:
    site = with_partitions(plain(), parse_sinfo(captured("sinfo")), Resources())
    assert list(site.partitions) == ["debug", "short", "low", "high"]
    assert site.default_partition == "debug"
    short = site.partitions["short"]
    assert (short.cores, short.memory_mib, short.max_nodes) == (2, 4000, 4)
    assert (short.max_walltime_s, short.gpus) == (120, 2)


def test_what_the_bag_would_like_is_then_cut_on_a_plain_slurm_too() -> None:
    site = with_partitions(plain(), parse_sinfo(captured("sinfo")), Resources())
    found = make_plan(sea_ice(), site, request(backend="workqueue"))
    assert found.worker.cores == 2
    assert "--cpus-per-task=2" in found.jobs[1].directives
    assert "cores per worker: 2, not 8; partition 'debug' has no more" in found.notes


def test_what_the_file_says_counts() -> None:
    here = plain(partitions={"all": {"cores": 32, "max_walltime": "1h"}})
    entry = with_partitions(here, parse_sinfo(MIXED), Resources()).partitions["all"]
    assert (entry.cores, entry.max_walltime_s, entry.memory_mib) == (32, 3600, 256000)


def test_the_commonest_nodes_count_that_can_hold_a_task() -> None:
    groups = parse_sinfo(MIXED)
    usual = with_partitions(plain(), groups, Resources()).partitions["all"]
    assert (usual.cores, usual.max_nodes, usual.gpus) == (64, 100, 0)
    large = with_partitions(plain(), groups, Resources(gpus=1)).partitions["all"]
    assert (large.cores, large.max_nodes, large.gpus) == (128, 4, 4)


def test_partitions_that_are_down_are_left_out() -> None:
    assert "old" not in with_partitions(plain(), parse_sinfo(MIXED), Resources()).partitions


def test_a_slurm_that_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    slurm = fake_slurm(tmp_path / "bin")
    slurm.answer("sinfo", stderr="Unable to contact slurm controller", code=1)
    site = plain(slurm_bin=slurm.bin)
    assert complete_site(site, sea_ice()) == site


def test_an_emulated_site_is_not_asked_about(tmp_path: Path) -> None:
    slurm = fake_slurm(tmp_path / "bin")
    site = plain(scheduler="emulated", slurm_bin=slurm.bin)
    assert complete_site(site, sea_ice()) == site
    assert slurm.asked == []
