"""Slurm's own address of a node is one of the addresses that the head publishes."""

from pathlib import Path

from hpckit.run.node_address import slurm_node_address
from tests.unit.slurm.fake import fake_slurm


def test_the_address_of_a_node_is_read_from_scontrol(tmp_path: Path) -> None:
    slurm = fake_slurm(tmp_path / "bin")
    slurm.answer("scontrol", "NodeName=n1 NodeAddr=10.0.0.7 NodeHostName=n1\n")
    assert slurm_node_address("n1", slurm.bin) == "10.0.0.7"
    assert slurm.asked == ["scontrol show node n1 --oneliner"]


def test_a_node_that_slurm_does_not_know_has_no_address(tmp_path: Path) -> None:
    slurm = fake_slurm(tmp_path / "bin")
    slurm.answer("scontrol", stderr="Node n1 not found\n", code=1)
    assert slurm_node_address("n1", slurm.bin) == ""
    assert slurm_node_address("n1", str(tmp_path / "no-slurm-here")) == ""
