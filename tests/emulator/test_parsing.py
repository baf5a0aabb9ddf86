"""Slurm's ways of writing things: times, sizes, arrays, hostlists, directives, patterns."""

from __future__ import annotations

import re

import pytest

from hpckit.emulator.commands import directives, options
from hpckit.emulator.commands.getopt import Parser, UsageError
from hpckit.emulator.core import arrays, formats, hostlist, signals
from hpckit.emulator.daemon import environment, patterns


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("5", 5), ("0:05", 1), ("1:30", 2), ("1:00:00", 60), ("2-0", 2880), ("1-1:30", 1530),
     ("1-00:00:01", 1441), ("UNLIMITED", -1)],
)  # fmt: skip
def test_time_limits_resolve_to_minutes(text: str, minutes: int) -> None:
    assert formats.parse_time_limit(text) == minutes


@pytest.mark.parametrize(("text", "mib"), [("500", 500), ("2G", 2048), ("1K", 1), ("1GB", 1024)])
def test_memory(text: str, mib: int) -> None:
    assert formats.parse_memory_mib(text) == mib


@pytest.mark.parametrize(
    ("text", "names"),
    [("n[1-3,7]", "n1 n2 n3 n7"), ("a[01-02],b", "a01 a02 b"), ("x", "x")],
)
def test_hostlists_both_ways(text: str, names: str) -> None:
    assert hostlist.expand(text) == names.split()
    assert hostlist.compress(names.split()) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [("0-15:4,20%2", "0,4,8,12,20%2"), ("0-12:2", "0-12:2"), ("0-10:2", "0,2,4,6,8,10"),
     ("3,1,2", "1-3"), ("0-50:10", "0-50:10"), ("0-20:5", "0,5,10,15,20")],
)  # fmt: skip
def test_arrays_are_written_as_squeue_does(text: str, written: str) -> None:
    assert arrays.describe(*arrays.parse(text, 1001)) == written


@pytest.mark.parametrize("text", ["1001", "5-1", "x", "1-4:0", "1%x"])
def test_what_is_no_array(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        arrays.parse(text, 1001)


def test_directives_end_at_the_first_command() -> None:
    script = (
        '#!/bin/sh\n#SBATCH -J "a b" -n 2 # two\n\n#SBATCHX\n#SBATCH --mem=1\ntrue\n#SBATCH -x\n'
    )
    assert directives.words_of(script) == [(2, ["-J", "a b", "-n", "2"]), (5, ["--mem=1"])]


def test_options_in_every_form() -> None:
    parser = Parser("sbatch", options.table("sbatch"), options.refused("sbatch"))
    found, rest = parser.parse(["-N2", "-n", "4", "--part=x", "--mem", "1G", "-HQ", "job.sh", "-t"])
    assert [(o.long, v) for o, v in found] == [
        ("nodes", "2"), ("ntasks", "4"), ("partition", "x"), ("mem", "1G"), ("hold", ""),
        ("quiet", ""),
    ]  # fmt: skip
    assert rest == ["job.sh", "-t"]


@pytest.mark.parametrize("word", ["--licenses=a", "-M", "--reservation=r", "--switches=1"])
def test_what_is_not_supported_is_refused_by_name(word: str) -> None:
    parser = Parser("sbatch", options.table("sbatch"), options.refused("sbatch"))
    with pytest.raises(UsageError, match="is not supported by hpckit's emulated Slurm"):
        parser.parse([word, "x"])


def test_every_option_stands_in_the_table_once() -> None:
    for command in (options.SBATCH, options.SRUN):
        rows = [*options.table(command), *options.refused(command)]
        for names in ([o.long for o in rows], [o.short for o in rows if o.short]):
            assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)


def test_patterns_pad_and_escape() -> None:
    values = {"j": "7", "A": "7", "a": "3", "x": "my job", "u": "me", "N": "n1"}
    assert patterns.expand("%x-%4j_%a.%%.%u.%3N", values) == "my job-0007_3.%.me.n1"
    assert patterns.expand("a\\%j", values) == "a%j"


def test_warnings() -> None:
    expected = {"signal": 12, "lead_s": 90, "batch": True}
    assert signals.parse_warning("B:USR2@90") == expected
    assert signals.parse_warning("SIGUSR1")["lead_s"] == signals.DEFAULT_LEAD_S


def test_export_keeps_slurm_s_own_variables() -> None:
    given = {"A": "1", "B": "2", "SLURM_X": "3"}
    assert environment.exported("A,C=4", given) == {"A": "1", "C": "4", "SLURM_X": "3"}
    assert environment.exported("NONE", given) == {"SLURM_X": "3"}
    assert environment.exported("ALL,C=4", given) == {**given, "C": "4"}
