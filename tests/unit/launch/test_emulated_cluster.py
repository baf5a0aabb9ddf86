"""The emulated cluster that a site describes."""

from __future__ import annotations

import pytest

from hpckit.launch.emulated_cluster import cluster_config
from hpckit.model.site import Site
from hpckit.model.site_files import load_site


@pytest.mark.parametrize(("written", "seconds"), [("0s", 0), (0, 0), ("0", 0), ("1m30s", 90)])
def test_a_site_says_how_long_its_cluster_waits_from_term_to_kill(
    written: str | int, seconds: int
) -> None:
    site = Site.model_validate({"name": "here", "emulated": {"kill_wait": written}})
    assert cluster_config(site).kill_wait_s == seconds
    assert Site.from_json(site.to_json()) == site


def test_a_site_that_says_nothing_waits_as_slurm_does() -> None:
    assert cluster_config(load_site("local").site).kill_wait_s == 30
