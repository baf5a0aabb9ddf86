"""squeue: fields, headings, choices of jobs."""

from __future__ import annotations

import grp
import os

from tests.conformance.case import case
from tests.conformance.driver import Slurm


@case("squeue --format", "squeue --noheader", "squeue %i", "squeue %j", "squeue %u", "squeue %P",
      "squeue %T", "squeue %t", "squeue %r", "squeue %R", "squeue %D", "squeue %C", "squeue %l",
      "squeue %N", "squeue %a", "squeue %M", "squeue %o", "squeue %x", "squeue %q")  # fmt: skip
def a_waiting_job_s_fields(slurm: Slurm) -> None:
    job = slurm.sbatch(
        "-H", "-J", "named", "-n3", "-t", "10", "-x", slurm.nodes[3], "-A", "hpckit", script="true"
    )
    form = "%i|%j|%u|%P|%T|%t|%r|%R|%C|%l|%M|%N|%a|%q|%x"
    script = f"{slurm.directory}/script-0.sh"
    assert job.shown(form) == (
        f"{job.id}|named|{slurm.user}|debug|PENDING|PD|JobHeldUser|(JobHeldUser)|3|10:00|0:00||"
        f"hpckit|normal|{slurm.nodes[3]}"
    )
    assert job.shown("%o") == script


@case("squeue %N", "squeue %R", "squeue %B", "squeue %D", "squeue %C", "squeue %L", "squeue %V",
      "squeue %S", "squeue %e", "state RUNNING", "reason None")  # fmt: skip
def a_running_job_s_fields(slurm: Slurm) -> None:
    job = slurm.sbatch("-N2", "-w", slurm.hosts(2, 3), "-t", "7", "--wrap=sleep 30")
    job.becomes("RUNNING")
    where = slurm.hosts(2, 3)
    assert job.shown("%t|%r|%R|%N|%D|%C|%B") == f"R|None|{where}|{where}|2|2|{slurm.nodes[1]}"
    submitted, started, ends = job.shown("%V %S %e").split()
    assert submitted <= started < ends
    assert job.shown("%L") == "7:00" or job.shown("%L").startswith("6:")


@case("squeue %i", "squeue --format")
def the_default_columns(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-J", "a-very-long-name", "--wrap=true")
    head, line = slurm.ok("squeue", "-j", job.id).splitlines()
    assert head == (
        "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)"
    )
    user = slurm.user[:8]
    assert (
        line
        == f"{job.id:>18} {'debug':>9} {'a-very-l':>8} {user:>8} PD       0:00      1 (JobHeldUser)"
    )


@case("squeue --long")
def the_long_columns(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-t5", "--wrap=true")
    _, head, line = slurm.ok("squeue", "-l", "-j", job.id).splitlines()
    assert head.split() == [
        "JOBID",
        "PARTITION",
        "NAME",
        "USER",
        "STATE",
        "TIME",
        "TIME_LIMI",
        "NODES",
        "NODELIST(REASON)",
    ]
    assert line.split() == [
        job.id,
        "debug",
        "wrap",
        slurm.user[:8],
        "PENDING",
        "0:00",
        "5:00",
        "1",
        "(JobHeldUser)",
    ]


@case("squeue --format")
def widths_cut_and_pad_on_either_side(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-J", "abcdefgh", "--wrap=true")
    assert job.shown("[%10j]") == "[abcdefgh  ]"
    assert job.shown("[%.10j]") == "[  abcdefgh]"
    assert job.shown("[%4j]") == "[abcd]"
    assert job.shown("x %t y") == "x PD y"


@case("squeue --states", "squeue --jobs", "squeue --name")
def jobs_are_chosen_by_state_id_and_name(slurm: Slurm) -> None:
    name = slurm.directory.name
    held = slurm.sbatch("-H", "-J", name, "--wrap=true")
    done = slurm.sbatch("-J", name, "--wrap=true")
    done.end()
    ids = ("-h", "-o", "%i", "-n", name)
    assert slurm.ok("squeue", *ids) == held.id
    assert slurm.ok("squeue", *ids, "-t", "CD") == done.id
    assert slurm.ok("squeue", *ids, "--states=all", "--sort=i").split() == [held.id, done.id]
    assert slurm.ok("squeue", *ids, "-t", "pending,completed", "-S", "-i").split() == [
        done.id,
        held.id,
    ]
    assert slurm.ok("squeue", *ids, "-j", f"{held.id},{done.id}") == held.id


@case("squeue --user", "squeue --me", "squeue --partition", "squeue --account")
def jobs_are_chosen_by_user_partition_and_account(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-p", "low", "-A", "hpckit", "--wrap=true")
    for words in (
        ["-u", slurm.user],
        ["--me"],
        ["-p", "low"],
        ["-p", "debug,low"],
        ["-A", "hpckit"],
    ):
        assert job.id in slurm.ok("squeue", "-h", "-o", "%i", *words).split(), words
    for words in (["-p", "short"], ["-A", "other"]):
        assert job.id not in slurm.ok("squeue", "-h", "-o", "%i", *words).split(), words


@case("squeue --nodelist")
def running_jobs_are_chosen_by_node(slurm: Slurm) -> None:
    job = slurm.sbatch("-w", slurm.nodes[1], "--wrap=sleep 30").becomes("RUNNING")
    assert job.id in slurm.ok("squeue", "-h", "-o", "%i", "-w", slurm.nodes[1]).split()
    assert job.id not in slurm.ok("squeue", "-h", "-o", "%i", "-w", slurm.nodes[2]).split()


@case("squeue --Format")
def long_field_names_have_fixed_widths(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-J", "named", "--wrap=true")
    out = slurm.ok("squeue", "-h", "-j", job.id, "-O", "jobid:10,name:8,state,reason:14")
    assert out == f"{job.id:10}named   {'PENDING':20}{'JobHeldUser':14}"


@case("squeue --steps")
def steps_are_listed(slurm: Slurm) -> None:
    job = slurm.sbatch(script="srun -J inner sleep 30").becomes("RUNNING")
    from tests.conformance.driver import until

    until("a step", lambda: f"{job.id}.0" in slurm.ok("squeue", "-s", "-h", "-j", job.id))
    ids = slurm.ok("squeue", "-s", "-h", "-j", job.id, "-o", "%i %j").splitlines()
    assert f"{job.id}.0 inner" in ids


@case("env SQUEUE_FORMAT", "env SLURM_TIME_FORMAT")
def variables_give_the_format(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-J", "x y", "--wrap=true")
    assert slurm.ok("squeue", "-h", "-j", job.id, SQUEUE_FORMAT="%i:%j") == f"{job.id}:x y"
    out = slurm.ok("squeue", "-h", "-j", job.id, "-o", "%V", SLURM_TIME_FORMAT="%Y")
    assert out.isdigit() and len(out) == 4


@case("squeue %i")
def a_finished_job_is_listed_only_when_asked_for(slurm: Slurm) -> None:
    job = slurm.sbatch("--wrap=true")
    job.end()
    assert slurm.ok("squeue", "-h", "-j", job.id) == ""
    assert job.shown("%T %r %N").startswith("COMPLETED None ")


@case("squeue %b", "squeue %c", "squeue %d", "squeue %f", "squeue %g", "squeue %G", "squeue %h",
      "squeue %n", "squeue %U", "squeue %v", "squeue %w", "squeue %X", "squeue %Y", "squeue %Z",
      "squeue %z", "squeue %m", "squeue %p")  # fmt: skip
def rarer_fields_of_a_waiting_job(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-c2", "-C", "common", "-w", slurm.nodes[0], "--wrap=true")
    group = grp.getgrgid(os.getgid()).gr_name
    assert job.shown("%c|%d|%f|%g|%G|%h|%n|%U|%v|%w|%X|%Y|%z") == (
        f"2|0|common|{group}|{os.getgid()}|OK|{slurm.nodes[0]}|{os.getuid()}"
        "|(null)|(null)|N/A|(null)|*:*:*"
    )
    assert job.shown("%Z") == str(slurm.directory)
    assert job.shown("%b") == "N/A"
    assert slurm.sbatch("-H", "--gres=gpu:1", "--wrap=true").shown("%b") == "gres:gpu:1"
    assert slurm.sbatch("-H", "--exclusive", "--wrap=true").shown("%h") == "NO"
    assert float(job.shown("%p")) == 0


@case("squeue --sort", "squeue --array", "squeue --all", "squeue --hide", "squeue --qos",
      "squeue --priority", "squeue --array-unique", "squeue --verbose",
      "squeue --local")  # fmt: skip
def lists_are_sorted_and_arrays_spread(slurm: Slurm) -> None:
    name = slurm.directory.name
    one = slurm.sbatch("-H", "-J", name, "-t", "9", "--wrap=true")
    two = slurm.sbatch("-H", "-J", name, "-t", "3", "--array=0-1", "--wrap=true")
    ask = ("-h", "-n", name, "-o", "%i")
    both = [one.id, f"{two.id}_[0-1]"]
    assert slurm.ok("squeue", *ask, "-S", "l").split() == both[::-1]
    assert slurm.ok("squeue", *ask, "-S", "-l").split() == both
    assert slurm.ok("squeue", *ask, "-S", "P,i", "--all").split() == both
    assert slurm.ok("squeue", *ask, "-S", "i", "--hide", "--qos=normal").split() == both
    assert slurm.ok("squeue", *ask, "--qos=another") == ""
    spread = slurm.ok("squeue", *ask, "--array", "-j", two.id).split()
    assert sorted(spread) == [f"{two.id}_0", f"{two.id}_1"]


@case("squeue --version", "squeue --help", "squeue --usage")
def version_and_help_succeed(slurm: Slurm) -> None:
    assert slurm.ok("squeue", "--version") == "slurm-wlm 22.05.8"
    assert slurm.ok("squeue", "--help").startswith("Usage: squeue [OPTIONS]")
    assert slurm.ok("squeue", "--usage").startswith("Usage: squeue ")
