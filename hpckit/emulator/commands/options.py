"""Every option of sbatch and srun in one table: what is supported, accepted, or refused by name.

Source: sbatch(1) and srun(1) of Slurm 22.05. Options that Slurm has and the emulator lacks are in
`REFUSED`, so that they are refused by name and never ignored; options that make no difference on
an emulated cluster (mail, accounting) are marked accepted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from hpckit.emulator.core import formats

SBATCH, SRUN = "sbatch", "srun"
NONE, REQUIRED, OPTIONAL = 0, 1, 2


class Option:
    """One option: its names, its argument, the check of its value, its environment variables."""

    __slots__ = ("argument", "check", "commands", "env", "long", "meaning", "short")

    def __init__(  # noqa: PLR0913 - one row of the table below
        self,
        long: str,
        short: str = "",
        argument: int = REQUIRED,
        *,
        check: Callable[[str], object] = str,
        on: tuple[str, ...] = (SBATCH, SRUN),
        env: tuple[str, ...] = (),
        meaning: str = "",
    ) -> None:
        self.long, self.short, self.argument, self.check = long, short, argument, check
        self.commands, self.env, self.meaning = on, env, meaning


def _both(name: str) -> tuple[str, ...]:
    return (f"SBATCH_{name}", f"SLURM_{name}")


def _positive(text: str) -> int:
    value = formats.parse_count(text)
    if value <= 0:
        raise ValueError(text)
    return value


def _non_negative(text: str) -> int:
    if not text.isdigit():
        raise ValueError(text)
    return int(text)


def _nodes(text: str) -> list[int]:
    return list(formats.parse_node_count(text))


def _open_mode(text: str) -> str:
    if text not in ("append", "a", "truncate", "t"):
        raise ValueError(text)
    return text[0]


def _yes_no(text: str) -> str:
    if text not in ("yes", "no"):
        raise ValueError(text)
    return text


_MAIL = "NONE BEGIN END FAIL REQUEUE ALL INVALID_DEPEND STAGE_OUT TIME_LIMIT ARRAY_TASKS"


def _mail_type(text: str) -> str:
    for word in text.upper().split(","):
        if word.removesuffix("_90").removesuffix("_80").removesuffix("_50") not in _MAIL.split():
            raise ValueError(text)
    return text


def _nice(text: str) -> int:
    return int(text or 100)


def _exclusive(text: str) -> str:
    if text not in ("", "user", "mcs", "exclusive"):
        raise ValueError(text)
    return text or "exclusive"


def _signal(text: str) -> dict[str, object]:
    from hpckit.emulator.core.signals import parse_warning

    return parse_warning(text)


def _counted(text: str) -> int:
    """Return the count of ``--gpus=2`` or ``--gpus=type:2``; the emulator ignores types."""
    return _positive(text.rpartition(":")[2])


def _gres(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    if text.lower() == "none":
        return counts
    for word in text.split(","):
        name, _, rest = word.removeprefix("gres:").partition(":")
        count = rest.rpartition(":")[2]
        counts[name] = counts.get(name, 0) + (formats.parse_count(count) if count else 1)
    return counts


HINTS = ("compute_bound", "memory_bound", "multithread", "nomultithread")
_HINT_HELP = """\
Application hint options:
    --hint=             Bind tasks according to application hints
        compute_bound   use all cores in each socket
        memory_bound    use only one core in each socket
        [no]multithread [don't] use extra threads with in-core multi-threading
        help            show this help message
"""


def unknown_hint(text: str) -> str | None:
    """Return the first word that is not a hint of Slurm, or None."""
    return next((word for word in text.split(",") if word.lower() not in HINTS), None)


def _hint(text: str) -> str:
    if text.lower() == "help":
        sys.stdout.write(_HINT_HELP)
        raise SystemExit(1)
    if unknown_hint(text) is not None:
        raise ValueError(text)
    return text


B, S = (SBATCH,), (SRUN,)
OPTIONS: tuple[Option, ...] = (
    Option("account", "A", env=_both("ACCOUNT"), meaning="accepted; shown"),
    Option("array", "a", on=B, env=("SBATCH_ARRAY_INX",)),
    Option("begin", "b", on=B),
    Option("chdir", "D", env=("", "SLURM_REMOTE_CWD")),
    Option("comment", meaning="accepted; shown"),
    Option("constraint", "C", env=_both("CONSTRAINT")),
    Option("cpu-bind", on=S, env=("", "SLURM_CPU_BIND"), meaning="accepted; nothing is bound"),
    Option("cpus-per-task", "c", check=_positive, env=("", "SRUN_CPUS_PER_TASK")),
    Option("dependency", "d", env=("", "SLURM_DEPENDENCY"), on=B),
    Option("distribution", "m", env=_both("DISTRIBUTION")),
    Option("error", "e", env=("", "SLURM_STDERRMODE")),
    Option("exact", argument=NONE, on=S, env=("", "SLURM_EXACT")),
    Option("exclude", "x"),
    Option("exclusive", argument=OPTIONAL, check=_exclusive, env=_both("EXCLUSIVE")),
    Option("export", env=("SBATCH_EXPORT", "SLURM_EXPORT_ENV")),
    Option("export-file", on=B),
    Option("gpus", "G", check=_counted, env=_both("GPUS")),
    Option("gpus-per-node", check=_counted, env=_both("GPUS_PER_NODE")),
    Option("gpus-per-task", check=_counted, env=_both("GPUS_PER_TASK")),
    Option("gres", check=_gres, env=_both("GRES")),
    Option("hint", check=_hint, env=_both("HINT"), meaning="accepted; CPUs have one thread"),
    Option("hold", "H", NONE, on=B),
    Option("input", "i", env=("", "SLURM_STDINMODE")),
    Option("job-name", "J", env=("SBATCH_JOB_NAME", "SLURM_JOB_NAME")),
    Option("kill-on-bad-exit", "K", OPTIONAL, on=S, env=("", "SLURM_KILL_BAD_EXIT")),
    Option("kill-on-invalid-dep", check=_yes_no, on=B, env=("SBATCH_KILL_INVALID_DEP", "")),
    Option("label", "l", NONE, on=S, env=("", "SLURM_LABELIO")),
    Option("licenses", "L", on=(), meaning=""),
    Option("mail-type", check=_mail_type, on=B, meaning="accepted; no mail is sent"),
    Option("mail-user", on=B, meaning="accepted; no mail is sent"),
    Option("mem", check=formats.parse_memory_mib, env=_both("MEM_PER_NODE")),
    Option("mem-per-cpu", check=formats.parse_memory_mib, env=_both("MEM_PER_CPU")),
    Option("mpi", on=S, env=("", "SLURM_MPI_TYPE"), meaning="accepted when none"),
    Option("nice", argument=OPTIONAL, check=_nice),
    Option("no-kill", "k", OPTIONAL, env=("SBATCH_NO_KILL", "SLURM_NO_KILL")),
    Option("no-requeue", argument=NONE, on=B, env=("SBATCH_NO_REQUEUE", "")),
    Option("nodelist", "w"),
    Option("nodes", "N", check=_nodes, env=("", "SLURM_JOB_NUM_NODES")),
    Option("ntasks", "n", check=_positive, env=("", "SLURM_NTASKS")),
    Option("ntasks-per-node", check=_positive, env=("", "SLURM_NTASKS_PER_NODE")),
    Option("open-mode", check=_open_mode, env=("SBATCH_OPEN_MODE", "SLURM_OPEN_MODE")),
    Option("output", "o", env=("", "SLURM_STDOUTMODE")),
    Option("overlap", argument=NONE, on=S, env=("", "SLURM_OVERLAP")),
    Option("oversubscribe", "s", NONE, meaning="accepted; CPUs are never shared"),
    Option("overcommit", "O", NONE, on=S, env=("", "SLURM_OVERCOMMIT")),
    Option("parsable", argument=NONE, on=B),
    Option("partition", "p", env=_both("PARTITION")),
    Option("priority", on=(), meaning=""),
    Option("qos", "q", env=_both("QOS"), meaning="accepted; shown"),
    Option("quiet", "Q", NONE),
    Option("requeue", argument=NONE, on=B, env=("SBATCH_REQUEUE", "")),
    Option("jobid", check=_positive, on=S, env=("", "SLURM_JOB_ID")),
    Option("signal", check=_signal, on=B, env=("SBATCH_SIGNAL", "")),
    Option("test-only", argument=NONE, on=B),
    Option(
        "time", "t", check=formats.parse_time_limit, env=("SBATCH_TIMELIMIT", "SLURM_TIMELIMIT")
    ),
    Option("unbuffered", "u", NONE, on=S, env=("", "SLURM_UNBUFFEREDIO")),
    Option("verbose", "v", NONE),
    Option("wait", "W", NONE, on=B, env=("SBATCH_WAIT", "")),
    Option("wait", "W", check=_non_negative, on=S, env=("", "SLURM_WAIT")),
    Option("wait-all-nodes", check=_non_negative, on=B, meaning="accepted; nodes are always up"),
    Option("wckey", env=_both("WCKEY"), meaning="accepted"),
    Option("whole", argument=NONE, on=S, env=("", "SLURM_WHOLE")),
    Option("wrap", on=B),
    Option("help", "h", NONE),
    Option("usage", argument=NONE),
    Option("version", "V", NONE),
)

# Options that Slurm has and the emulator refuses: long name, short name, argument.
_REFUSED_BOTH = (
    "acctg-freq bb bbf cluster-constraint clusters:M container contiguous core-spec:S "
    "cores-per-socket cpu-freq cpus-per-gpu deadline delay-boot extra-node-info:B get-user-env "
    "gid gpu-bind gpu-freq gpus-per-socket gres-flags licenses:L mcs-label mem-bind "
    "mem-per-gpu mincpus network nodefile:F ntasks-per-core ntasks-per-gpu ntasks-per-socket "
    "power prefer priority profile propagate reboot reservation sockets-per-node spread-job "
    "switches thread-spec threads-per-core time-min tmp uid use-min-nodes"
)
REFUSED: dict[str, str] = {
    SBATCH: _REFUSED_BOTH + " batch ignore-pbs overcommit:O",
    SRUN: _REFUSED_BOTH
    + " accel-bind array begin bcast bcast-exclude compress debugger-test dependency"
    " disable-status:X epilog hold:H immediate:I interactive launch-cmd launcher-opts msg-timeout"
    " multi-prog no-allocate:Z preserve-env:E prolog pty quit-on-interrupt relative:r resv-ports"
    " send-libs slurmd-debug task-epilog task-prolog threads:T het-group signal",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REFUSED_FLAGS = _words(
    "contiguous reboot spread-job use-min-nodes ignore-pbs overcommit disable-status "
    "debugger-test interactive launch-cmd no-allocate preserve-env pty quit-on-interrupt"
)
_REFUSED_OPTIONAL = frozenset(["get-user-env", "propagate", "immediate", "bcast", "resv-ports"])


def table(command: str) -> list[Option]:
    """Return the supported options of a command."""
    return [option for option in OPTIONS if command in option.commands]


def refused(command: str) -> list[Option]:
    """Return the options that Slurm's command has and the emulator refuses by name."""
    known = {option.long for option in table(command)}
    rows = []
    for word in REFUSED[command].split():
        long, _, short = word.partition(":")
        if long in known:
            continue
        argument = NONE if long in _REFUSED_FLAGS else REQUIRED
        rows.append(Option(long, short, OPTIONAL if long in _REFUSED_OPTIONAL else argument))
    return rows


def environment_name(option: Option, command: str) -> str:
    """Return the environment variable of an option (``SBATCH_PARTITION``), or ''."""
    if not option.env:
        return ""
    return option.env[0 if command == SBATCH else -1]
