"""The one function that runs a Slurm command."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hpckit.errors import SchedulerError

#: Prefixes of variables through which an outer job, or a user's profile, would change what a
#: command does (sbatch(1) INPUT ENVIRONMENT VARIABLES). `SLURM_CONF`, which names the cluster,
#: and `SLURM_JWT`, which names the user, are kept.
_STRIPPED = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_", "SINFO_")
_KEPT = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"})
_TIMEOUT_S = 60.0


class CommandFailed(SchedulerError):
    """A Slurm command ended with an error: `argv`, `exit_code` and `stderr` say how."""

    def __init__(self, argv: Sequence[str], exit_code: int, stderr: str, *, hint: str = "") -> None:
        self.argv, self.exit_code, self.stderr = tuple(argv), exit_code, stderr.strip()
        super().__init__(
            f"`{shlex.join(argv)}` ended with exit code {exit_code}: "
            f"{self.stderr or 'it wrote nothing to stderr'}",
            hint=hint,
        )


class CommandMissing(SchedulerError):
    """The command is not installed in `slurm_bin` or on PATH."""


class CommandStuck(SchedulerError):
    """The command did not answer in time; it may have had its effect or not."""


def locate(program: str, slurm_bin: str) -> str:
    """Return the path of a command, or its bare name if `slurm_bin` is ``""``."""
    return str(Path(slurm_bin) / program) if slurm_bin else program


def run_slurm(
    program: str, args: Sequence[str], *, slurm_bin: str, timeout_s: float = _TIMEOUT_S
) -> str:
    """Run one Slurm command and return its stdout.

    Args:
        program: ``sbatch``, ``squeue``, …
        args: its arguments; no shell interprets them.
        slurm_bin: the directory of the command; ``""`` means PATH.
        timeout_s: seconds after which it is killed.

    Raises:
        CommandFailed: it ended with an error.
        CommandMissing: there is no such program.
        CommandStuck: it did not end within `timeout_s`.
        SchedulerError: this node has no free process or file number for it.
    """
    argv = [locate(program, slurm_bin), *args]
    try:
        done = subprocess.run(
            argv,
            env=clean_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
            # Ctrl-C must not stop an sbatch that has submitted the job but not printed its id.
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise CommandMissing(
            f"cannot run `{argv[0]}`: {error.strerror}",
            hint="Is Slurm's client installed here? A site can name its directory: slurm_bin.",
        ) from error
    except OSError as error:
        raise SchedulerError(
            f"cannot run `{argv[0]}` now: {error.strerror}",
            hint="This node may have too many processes or open files.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandStuck(
            f"`{shlex.join(argv)}` did not answer within {timeout_s:g} s",
            hint="The controller may be down or busy; try again later.",
        ) from error
    if done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stderr)
    return done.stdout


def clean_environment(env: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """Return `env` without the variables by which an outer job or a profile changes commands.

    Otherwise ``sbatch`` in a job passes ``SLURM_*`` on to the new job, whose srun may then fail
    because it takes the outer job's allocation for its own.
    """
    return {
        name: value
        for name, value in env.items()
        if name in _KEPT or not name.startswith(_STRIPPED)
    }
