"""sinfo: partitions, nodes and their states. Each case has a cluster for itself."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm


@case("sinfo %P", "sinfo %a", "sinfo %l", "sinfo %D", "sinfo %t", "sinfo %N", alone=True)
def the_default_columns(slurm: Slurm) -> None:
    lines = slurm.ok("sinfo").splitlines()
    where = slurm.hosts(1, 4)
    assert lines == [
        "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST",
        f"debug*       up 1-00:00:00      4   idle {where}",
        f"short        up       2:00      4   idle {where}",
        f"low          up 1-00:00:00      4   idle {where}",
        f"high         up 1-00:00:00      4   idle {where}",
    ]


@case("sinfo --Node", alone=True)
def node_oriented_has_a_line_per_node_and_partition(slurm: Slurm) -> None:
    lines = slurm.ok("sinfo", "-N", "-h", "-p", "debug").splitlines()
    assert [line.split() for line in lines] == [[n, "1", "debug*", "idle"] for n in slurm.nodes]


@case("sinfo --summarize", "sinfo %F", alone=True)
def summarize_counts_nodes_in_use(slurm: Slurm) -> None:
    slurm.sbatch("-w", slurm.nodes[0], "--wrap=sleep 20").becomes("RUNNING")
    head, line = slurm.ok("sinfo", "-s", "-p", "debug").splitlines()
    assert head.split() == ["PARTITION", "AVAIL", "TIMELIMIT", "NODES(A/I/O/T)", "NODELIST"]
    assert line.split() == ["debug*", "up", "1-00:00:00", "1/3/0/4", slurm.hosts(1, 4)]


@case("sinfo %C", "sinfo %T", "sinfo %A", alone=True)
def cpus_in_use_are_counted(slurm: Slurm) -> None:
    assert slurm.ok("sinfo", "-h", "-p", "debug", "-o", "%C") == "0/8/0/8"
    slurm.sbatch("-w", slurm.hosts(1, 2), "-N2", "-n3", "--wrap=sleep 20").becomes("RUNNING")
    assert slurm.ok("sinfo", "-h", "-p", "debug", "-o", "%C") == "3/5/0/8"
    lines = slurm.ok("sinfo", "-h", "-p", "debug", "-o", "%T %D %C").splitlines()
    assert lines == ["mixed 1 1/1/0/2", "allocated 1 2/0/0/2", "idle 2 0/4/0/4"]


@case("sinfo %c", "sinfo %m", "sinfo %G", "sinfo %f", "sinfo %n", "sinfo %R", "sinfo %s",
      "sinfo %z", "sinfo --format", "sinfo --noheader", "sinfo --nodes", alone=True)  # fmt: skip
def what_nodes_have(slurm: Slurm) -> None:
    node = slurm.nodes[2]
    out = slurm.ok("sinfo", "-h", "-n", node, "-p", "low", "-o", "%c|%m|%G|%n|%R|%s|%z")
    assert out == f"2|4000|gpu:2|{node}|low|1-infinite|2:1:1"
    assert "common" in slurm.ok("sinfo", "-h", "-n", node, "-p", "low", "-o", "%f")


@case("sinfo --states", "sinfo --responding", "sinfo --dead", alone=True)
def nodes_are_chosen_by_state(slurm: Slurm) -> None:
    slurm.sbatch("-w", slurm.nodes[3], "--exclusive", "--wrap=sleep 20").becomes("RUNNING")
    ask = ("-h", "-p", "debug", "-o", "%N")
    assert slurm.ok("sinfo", *ask, "-t", "alloc") == slurm.nodes[3]
    assert slurm.ok("sinfo", *ask, "--states=idle") == slurm.hosts(1, 3)
    assert slurm.ok("sinfo", "-h", "-p", "debug", "-o", "%D", "-t", "down") in ("", "0")
    assert slurm.nodes[0].rstrip("1") in slurm.ok("sinfo", "-r", *ask)


@case("sinfo --list-reasons", "sinfo %E", "state drained", alone=True)
def reasons_of_drained_nodes_are_listed(slurm: Slurm) -> None:
    node = slurm.nodes[1]
    slurm.ok("scontrol", "update", f"nodename={node}", "state=drain", "reason=a loose cable")
    try:
        _, line = slurm.ok("sinfo", "-R").splitlines()
        assert line.startswith("a loose cable")
        assert line.split()[-1] == node
        out = slurm.ok("sinfo", "-h", "-p", "debug", "-o", "%t %D %E")
        assert out.splitlines() == ["drain 1 a loose cable", "idle 3 none"]
    finally:
        slurm.ok("scontrol", "update", f"nodename={node}", "state=resume")


@case("sinfo --partition", "env SINFO_FORMAT", "sinfo --long", alone=True)
def partitions_are_chosen_by_name(slurm: Slurm) -> None:
    assert slurm.ok("sinfo", "-h", "-p", "low,high", "-o", "%P").split() == ["low", "high"]
    assert slurm.ok("sinfo", "-h", "-p", "short", SINFO_FORMAT="%R=%l") == "short=2:00"
    lines = slurm.ok("sinfo", "-l", "-p", "short").splitlines()
    assert lines[1].split() == (
        [
            "PARTITION",
            "AVAIL",
            "TIMELIMIT",
            "JOB_SIZE",
            "ROOT",
            "OVERSUBS",
            "GROUPS",
            "NODES",
            "STATE",
            "NODELIST",
        ]
    )


@case("sinfo --format", alone=True)
def widths_pad_on_either_side(slurm: Slurm) -> None:
    assert slurm.ok("sinfo", "-h", "-p", "low", "-o", "[%6R][%.6R][%2R]") == "[low   ][   low][lo]"


@case("sinfo %d", "sinfo %b", "sinfo %g", "sinfo %h", "sinfo %L", "sinfo %M", "sinfo %p",
      "sinfo %r", "sinfo %w", "sinfo %X", "sinfo %Y", "sinfo %Z", "sinfo %v", "sinfo %V",
      "sinfo %u", "sinfo %H", "sinfo %o", "sinfo %O", "sinfo %e", alone=True)  # fmt: skip
def rarer_fields(slurm: Slurm) -> None:
    ask = ("-h", "-n", slurm.nodes[0])
    out = slurm.ok("sinfo", *ask, "-p", "low", "-o", "%d|%g|%h|%L|%M|%p|%r|%w|%X|%Y|%Z|%V")
    assert out == "0|all|NO|1:00:00|REQUEUE|1|no|1|2|1|1|N/A"
    out = slurm.ok("sinfo", *ask, "-p", "debug", "-o", "%M|%p|%v|%u|%H")
    assert out == "OFF|5|22.05.8|Unknown|Unknown"
    assert "common" in slurm.ok("sinfo", *ask, "-p", "low", "-o", "%b")
    address, load, free = slurm.ok("sinfo", *ask, "-p", "low", "-o", "%o %O %e").split()
    assert address.count(".") == 3
    assert float(load) >= 0
    assert int(free) > 0


@case("sinfo --all", "sinfo --exact", "sinfo --hide", "sinfo --sort", "sinfo --version",
      "sinfo --help", "sinfo --verbose", alone=True)  # fmt: skip
def other_options(slurm: Slurm) -> None:
    ask = ("-h", "-p", "low,debug", "-o", "%R")
    assert slurm.ok("sinfo", "-h", "-o", "%R", "--all").split() == ["debug", "short", "low", "high"]
    assert slurm.ok("sinfo", *ask, "--hide", "--exact").split() == ["debug", "low"]
    assert slurm.ok("sinfo", *ask, "-S", "-R").split() == ["low", "debug"]
    assert slurm.ok("sinfo", "--version") == "slurm-wlm 22.05.8"
    assert slurm.ok("sinfo", "--help").startswith("Usage: sinfo [OPTIONS]")
