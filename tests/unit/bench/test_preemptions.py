"""Partitions that preempt each other are found."""

from __future__ import annotations

import pytest

from hpckit.bench.measure.loopback import parse_net_dev
from hpckit.bench.measure.preemptions import Partition, choose_partitions, parse_partitions
from hpckit.errors import InputError

TEXT = """\
PartitionName=debug AllowGroups=ALL PriorityJobFactor=1 PriorityTier=10 PreemptMode=OFF State=UP
PartitionName=low AllowGroups=ALL PriorityJobFactor=1 PriorityTier=1 PreemptMode=REQUEUE State=UP

"""


def test_a_preempted_partition_is_found_with_one_that_preempts_it() -> None:
    assert choose_partitions(parse_partitions(TEXT), "", "") == ("low", "debug")


def test_a_partition_that_is_named_must_be_one_of_these() -> None:
    with pytest.raises(InputError, match=r"found: debug \(tier 10\), low \(tier 1, requeue\)"):
        choose_partitions(parse_partitions(TEXT), "debug", "")


def test_equal_tiers_do_not_preempt_one_another() -> None:
    found = [Partition(name=name, tier=1, preempted=True) for name in ("a", "b")]
    with pytest.raises(InputError, match="no partition's jobs are preempted"):
        choose_partitions(found, "", "")


def test_the_bytes_of_the_loopback_interface_are_read() -> None:
    text = (
        "Inter-|   Receive |  Transmit\n face |bytes packets|bytes\n"
        "  eth0: 5 1 0\n    lo: 4711 12 0 0 0 0 0 0 4711 12 0\n"
    )
    assert parse_net_dev(text) == 4711
    assert parse_net_dev("") == 0
